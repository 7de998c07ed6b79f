#!/usr/bin/env bash
# What camera motion is worth: MOT17 val half with gmc.txt and without it, shipped weights. Of its sequences 05, 10, 11
# and 13 have moving cameras.
#   scripts/study_camera.sh DATA OUT
# Half a minute. Results: OUT/camera-{auto,none}/scores.json; both tables are printed.

. "$(dirname "$0")/common.sh"

for camera in auto none; do
    folder=$out/camera-$camera
    sushi_lg track mot17-half-val --data "$data" --detections "$DETECTIONS" --weights "${WEIGHTS:-default}" \
        --camera "$camera" --out "$folder"
    score "$folder" mot17-half-val
done
