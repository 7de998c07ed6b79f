"""Mean and spread over seeds of HOTA, DetA, AssA, IDF1 and MOTA, as a Markdown table.

    python scripts/summarize_runs.py OUT...

Each OUT is the scores.json of `sushi-lg evaluate --json`, or a folder that is searched for such files; runs whose
folders differ only in the seed (mot17_seeds-seed0, mot17_seeds-seed1) belong to one study. Takes a second.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sushi_lg.evaluation.summary import find_scores, markdown_table, summarize


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="+", help="scores.json, or a folder that holds some")
    print(markdown_table(summarize(find_scores(parser.parse_args().out))))


if __name__ == "__main__":
    main()
