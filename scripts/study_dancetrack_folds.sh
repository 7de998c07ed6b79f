#!/usr/bin/env bash
# DanceTrack, 13 sequences in two folds: train on one, track the other, score both together.
#   scripts/study_dancetrack_folds.sh DATA OUT
# About 45 minutes a seed on one core: two trainings of 21 minutes, tracking and scoring.
# Results: OUT/dancetrack_folds-seedN/scores.json over all 13 sequences, OUT/dancetrack_folds.md.
. "$(dirname "$0")/common.sh"

folders=()
for seed in ${SEEDS-0 1 2}; do
    both=$out/dancetrack_folds-seed$seed
    mkdir -p "$both"
    for taught in even odd; do
        asked=$([ "$taught" = even ] && echo odd || echo even)
        train "dancetrack_$taught" "$seed"
        folder=$out/dancetrack_$taught-seed$seed
        track "$folder/weights.safetensors" "dancetrack-fold-$asked" "$folder/dancetrack-fold-$asked"
        cp "$folder/dancetrack-fold-$asked"/tracks/*.txt "$both/"
    done
    score "$both" dancetrack-13
    folders+=("$both")
done
summarize "${folders[@]}" | tee "$out/dancetrack_folds.md"
