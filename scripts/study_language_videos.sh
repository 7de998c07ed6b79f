#!/usr/bin/env bash
# Language-guided training on real pixels: PETS09-S2L1, TUD (two videos) and MOT17-09, each learned from in turn.
#   scripts/study_language_videos.sh DATA VIDEOS OUT [key=value ...]
# DATA holds MOT15/train and MOT17/train with ground truth, VIDEOS <sequence>.mp4. Needs the networks yolox_nano and
# reid_0248, the extra `attributes` and its network (SUSHI_LG_MODELS). About half an hour on two cores.
# Results: OUT/study/cross_domain.md and .png.

. "$(dirname "$0")/program.sh"

if [ $# -lt 3 ]; then
    echo "usage: $0 DATA VIDEOS OUT [key=value ...]" >&2
    exit 2
fi
data=$(realpath "$1")
videos=$(realpath "$2")
mkdir -p "$3"
cd "$3"
shift 3

# split NAME DATASET SEQUENCE...: NAME-first.txt and NAME-second.txt, and the sequences with boxes, vectors and words
split() {
    local name=$1 dataset=$2
    shift 2
    for half in first second; do
        printf '# dataset: %s\n# part: train\n# view: %s-half\n' "$dataset" "$half" > "$name-$half.txt"
        printf '%s\n' "$@" >> "$name-$half.txt"
    done
    for sequence in "$@"; do
        local folder=$dataset/train/$sequence
        sushi_lg detect "$data/$folder" --frames "$videos" --out "$dataset/train"
        mkdir -p "$folder/gt"
        cp "$data/$folder/gt/gt.txt" "$folder/gt/"
        cp "$data/$folder/seqinfo.ini" "$folder/"
        sushi_lg embed "$folder" --detections yolox_nano --frames "$videos" --embedder reid_0248 --out look
    done
    # words of the half that is learned from: what is tested is seen by nobody
    sushi_lg annotate "$name-first.txt" --data . --frames "$videos" --describer openvino --out descriptions \
        scene.place=outdoor
}

split pets MOT15 PETS09-S2L1
split tud MOT15 TUD-Campus TUD-Stadtmitte
split mot17_09 MOT17 MOT17-09
sushi_lg study cross-domain --config "$root/configs/studies/language_videos.yaml" --data . --out study "$@"
