#!/usr/bin/env bash
# Language-guided training in the simulated domains: makes the data, trains every arm everywhere, tests it everywhere.
#   scripts/study_language.sh OUT [key=value ...]
# With the defaults about two hours on two cores and 1 GB; SEQUENCES="2 1" FRAMES="40 40" and words such as
# base.overrides=[...] make a try that takes minutes. EVERY=5 FRAMES="100 150" is the study at 3 frames a second. Words go to `sushi-lg study`. A study that was stopped goes on.
# Results: OUT/study/cross_domain.md and .png.

. "$(dirname "$0")/program.sh"

if [ $# -lt 1 ]; then
    echo "usage: $0 OUT [key=value ...]" >&2
    exit 2
fi
mkdir -p "$1"
cd "$1"
shift
read -r train test <<< "${SEQUENCES:-16 6}"
read -r train_frames test_frames <<< "${FRAMES:-150 300}"

every=${EVERY:-1}
rate=("every=$every" "frame_rate=$((15 / every))")

sushi_lg simulate plaza stage night --out . --split train --sequences "$train" "frames=$train_frames" "${rate[@]}"
sushi_lg simulate plaza stage night mall --out . --split test --sequences "$test" "frames=$test_frames" "${rate[@]}"
for split in *-train.txt *-test.txt; do
    sushi_lg embed "$split" --data . --detections simulated --embedder pixels --out look/pixels
done
sushi_lg study cross-domain --config "$root/configs/studies/language.yaml" --data . --out study "$@"
