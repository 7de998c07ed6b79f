#!/usr/bin/env bash
# MOT17 val half, boxes only: the shipped weights, and the spread of a shorter training over seeds.
#   scripts/study_mot17_val_half.sh DATA OUT
# Two minutes for the shipped weights (WEIGHTS names others), then about 21 minutes a seed on one core.
# Results: OUT/*/mot17-half-val/scores.json, OUT/mot17_val_half.md.
. "$(dirname "$0")/common.sh"

split=mot17-half-val
track "${WEIGHTS:-default}" "$split" "$out/shipped/$split"
score "$out/shipped/$split" "$split"
folders=("$out/shipped")
for seed in ${SEEDS-0 1 2}; do
    train mot17_seeds "$seed"
    folder=$out/mot17_seeds-seed$seed
    track "$folder/weights.safetensors" "$split" "$folder/$split"
    score "$folder/$split" "$split"
    folders+=("$folder")
done
summarize "${folders[@]}" | tee "$out/mot17_val_half.md"
