# Read by the study scripts, not run: what they share.
#
# Settings from the environment:
#   PYTHON          see program.sh
#   SEEDS           seeds to train with
#   DETECTIONS      file in det/ of every tracked sequence
#   TRAIN_SETTINGS  key=value words added to every training, for a try that takes seconds

. "$(dirname "${BASH_SOURCE[0]}")/program.sh"

DETECTIONS=${DETECTIONS:-yolox_x}
TRAIN_SETTINGS=${TRAIN_SETTINGS:-}

if [ $# -ne 2 ]; then
    echo "usage: $0 DATA OUT" >&2
    exit 2
fi
data=$1
out=$2

# train NAME SEED: OUT/NAME-seedN/weights.safetensors from configs/studies/NAME.yaml. A finished training is used again, an
# interrupted one goes on.
train() {
    local folder=$out/$1-seed$2
    if [ -f "$folder/weights.safetensors" ]; then
        echo "$folder: trained already"
    elif compgen -G "$folder/checkpoints/*.json" > /dev/null; then
        sushi_lg train --resume --out "$folder"
    else
        # shellcheck disable=SC2086  # words on purpose
        sushi_lg train --config "studies/$1" --data "$data" --out "$folder" "seed=$2" $TRAIN_SETTINGS
    fi
}

# track WEIGHTS SPLIT FOLDER
track() {
    sushi_lg track "$2" --data "$data" --detections "$DETECTIONS" --weights "$1" --out "$3"
}

# score FOLDER SPLIT: FOLDER/scores.json
score() {
    sushi_lg evaluate "$1" --data "$data" --split "$2" --json "$1/scores.json"
}

# summarize FOLDER...: mean and spread over seeds
summarize() {
    "$PYTHON" "$root/scripts/summarize_runs.py" "$@"
}
