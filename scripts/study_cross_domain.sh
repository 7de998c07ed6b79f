#!/usr/bin/env bash
# The default recipe on data it never saw: trained without DanceTrack and tested on it, the same for MOT17.
#   scripts/study_cross_domain.sh DATA OUT
# About 45 minutes on one core; one seed, SEEDS="0 1 2" makes three.
# Results: OUT/without_*/*/scores.json, OUT/cross_domain.md.
. "$(dirname "$0")/common.sh"

folders=()
for seed in ${SEEDS-0}; do
    for pair in without_dancetrack:dancetrack-13 without_mot17:mot17-half-val; do
        study=${pair%%:*} split=${pair##*:}
        train "$study" "$seed"
        folder=$out/$study-seed$seed
        track "$folder/weights.safetensors" "$split" "$folder/$split"
        score "$folder/$split" "$split"
        folders+=("$folder")
    done
done
summarize "${folders[@]}" | tee "$out/cross_domain.md"
