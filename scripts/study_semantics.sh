#!/usr/bin/env bash
# The semantic stage on simulated clips in the layout of BenSMOT: annotated tracks and tracks of our tracker, described by
# rules, by a constant and by chance, scored in both profiles.
#   scripts/study_semantics.sh OUT
# With the defaults about a quarter of an hour on two cores and 1 GB; TRAIN=10 TEST=10 make a try.
# Results: OUT/scores/<tracks>-<describer>/<profile>.json, and tables on the screen. METEOR needs `make wordnet`.

. "$(dirname "$0")/program.sh"

if [ $# -ne 1 ]; then
    echo "usage: $0 OUT" >&2
    exit 2
fi
mkdir -p "$1"
cd "$1"

sushi_lg simulate social --layout bensmot --out data --split train --sequences "${TRAIN:-100}"
sushi_lg simulate social --layout bensmot --out data --split test --sequences "${TEST:-200}"
clips=(data/test/*/*/)
sushi_lg embed "${clips[@]}" --detections simulated --embedder hsv --out look
sushi_lg track "${clips[@]}" --detections simulated --appearance look --out tracked

for describer in rules constant random; do
    options=(describer.train=data/train)
    [ $describer = rules ] && options=(describer.names=clothes)  # as annotators call people
    sushi_lg describe data/test --truth --describer $describer --out gt-$describer "${options[@]}"
    sushi_lg describe tracked --frames data/test --describer $describer --out tracked-$describer "${options[@]}"
    sushi_lg evaluate-semantics gt-$describer data/test --tracks gt --out scores/gt-$describer
    sushi_lg evaluate-semantics tracked-$describer data/test --tracks argmax --out scores/tracked-$describer
    sushi_lg evaluate-semantics tracked-$describer data/test --tracks hungarian --out scores/hungarian-$describer
done
