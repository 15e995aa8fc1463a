#!/usr/bin/env bash
# The first minutes on a GPU: what to run on a machine that has one, and torch, and perhaps no network.
#
#   scripts/gpu_check.sh [WHEELS]
#
# WHEELS is a folder of wheels of the packages that the machine lacks; they are installed in a folder of their own. The
# steps are: wheels, facts of the machine, the tests marked `gpu`, the bench of the engine (--quick), and a window of the
# paper's run. Each has a limit of its own and none stops the others. The summary and the tables are written to
# docs/benchmarks/ with the card in their names (and the steps, if some are chosen), after each step, so that they remain
# if this script is killed. All of it takes a quarter of an hour. Where a command may take ten minutes at most, these are
# two of them:
#
#   SECONDS_IN_ALL=560 STEPS="wheels facts tests bench" scripts/gpu_check.sh [WHEELS]
#   SECONDS_IN_ALL=560 STEPS="wheels window" scripts/gpu_check.sh [WHEELS]
#
# R3, which takes long to compile, is for a call of its own, and so are single calls of the denoiser, by layout,
# attention, compilation and rows, with their kernels:
#
#   SECONDS_IN_ALL=560 STEPS="wheels bench" BENCH="--quick --rows R3 beside" BENCH_LIMIT=540 scripts/gpu_check.sh [WHEELS]
#   SECONDS_IN_ALL=560 STEPS="wheels facts denoiser" scripts/gpu_check.sh [WHEELS]
#
# A later call on the same machine finds compiled code where the attention is the same, which saves a minute per row, and
# with WORK=FOLDER in all calls the random weights, which saves 20 s. On an H200 the tests take 130 s. Where nothing
# has been compiled yet, the window stored nothing in 180 s, and should have three batches in 260. So these two calls fit
# a quarter of an hour:
#
#   export WORK=/tmp/world
#   SECONDS_IN_ALL=520 STEPS="wheels facts tests window" scripts/gpu_check.sh [WHEELS]
#   SECONDS_IN_ALL=320 STEPS="wheels bench" scripts/gpu_check.sh [WHEELS]
#
# Variables: SECONDS_IN_ALL (860), FACTS_LIMIT (60), TESTS_LIMIT (160), DENOISER_LIMIT (480), BENCH_LIMIT (320); the
# window has what is left. STEPS; TESTS, DENOISER, BENCH and WINDOW: words of pytest and of the scripts
# bench_denoiser.py, bench_engine.py and paper_window.py; TABLES and LOGS: their folders; WORK: the folder of the random
# weights, 5 GB; PYTHON. DEVICE=cpu TINY=1 tries every line without a GPU. What can't work is refused at once, with exit
# code 2.
set -uo pipefail
from=$PWD
cd "$(dirname "$0")/.." || exit

refuse() {
  echo "error: $1" >&2
  exit 2
}

# path_of PATH: as the caller meant it, who may be in another folder.
path_of() {
  case $1 in /* | '') printf %s "$1" ;; *) printf %s "$from/$1" ;; esac
}

began=$SECONDS
device=${DEVICE:-cuda}
tiny=${TINY:-}
wheels=$(path_of "${1:-${WHEELS:-}}")
steps=${STEPS:-wheels facts tests bench window}
python=${PYTHON:-$([ -x .venv/bin/python ] && echo "$PWD/.venv/bin/python" || echo python3)}
[[ $python == */* ]] && python=$(path_of "$python")
for name in $steps; do
  [[ " wheels facts tests denoiser bench window " == *" $name "* ]] ||
    refuse "STEPS must be some of wheels, facts, tests, denoiser, bench and window, found '$name': correct it"
done
for name in SECONDS_IN_ALL FACTS_LIMIT TESTS_LIMIT DENOISER_LIMIT BENCH_LIMIT; do
  [[ ${!name:-1} =~ ^[1-9][0-9]{0,6}$ ]] || refuse "$name must be a whole number of seconds, found '${!name}': correct it"
done
total=${SECONDS_IN_ALL:-860}
for name in setsid timeout "$python"; do
  command -v "$name" >/dev/null || refuse "$name must be a program here, found none: install it, or name another PYTHON"
done
[ -z "$wheels" ] || [ -d "$wheels" ] || refuse "WHEELS must be a folder of wheels, found none at $wheels: correct it"
scratch=$(mktemp -d) || refuse "a temporary folder must be possible, found none: set TMPDIR to a folder that can be written"
tables=$(path_of "${TABLES:-$PWD/docs/benchmarks}")
logs=$(path_of "${LOGS:-$scratch/logs}")
work=$(path_of "${WORK:-$scratch/world}")
for name in tables logs work; do
  { mkdir -p "${!name}" && head -c 262144 /dev/zero >"${!name}/.gpu_check.$$" && rm "${!name}/.gpu_check.$$"; } 2>/dev/null ||
    { rm -rf "$scratch" "${!name}/.gpu_check.$$" 2>/dev/null; refuse "${name^^} must be a folder that can be written, found ${!name}: name another"; }
done
export PYTHONPATH="$scratch/site:$PWD${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
export I2P_BENCH_GPU_TESTS=$device
touch "$scratch/began"

# label_of WORDS: the words as a part of a file's name.
label_of() {
  tr -cs 'A-Za-z0-9' '_' <<<"$1" | sed 's/^_//; s/_$//'
}

# A call of some steps has a summary of its own, or the second of two calls would overwrite the first one's.
chosen=${STEPS:+_$(label_of "$STEPS")}
GRACE=20 # seconds that an interrupted step has to end
card=unknown
outcomes=()
failures=0
at_work=''
running='' # its process, which is also the number of its session

# step NAME LIMIT LEAST COMMAND …: run a command for at most LIMIT seconds, and not at all if fewer than LEAST are left.
# The word LIMIT in the command stands for the seconds after which it should end on its own. At the limit it is
# interrupted once, as by ctrl-C, and killed GRACE seconds later: pytest takes up to 10 to end its workers before it
# tells what failed.
step() {
  local name=$1 limit=$2 least=$3 code start left
  shift 3
  [[ " $steps " == *" $name "* ]] || return 0
  left=$((total - (SECONDS - began) - GRACE))
  if ((left < least)); then
    outcome "$name" "not reached: $left s were left, and it needs $least" 1
    return 0
  fi
  ((limit > left)) && limit=$left
  echo "== $name (at most $limit s)"
  start=$SECONDS at_work=$name
  # In a session of its own, all of which can be ended, and waited for so that this script hears signals meanwhile.
  setsid timeout --foreground -s INT -k "$GRACE" "$limit" "${@//LIMIT/$((limit > 20 ? limit - 10 : limit))}" \
    >"$logs/$name.log" 2>&1 &
  running=$!
  wait "$running"
  code=$?
  end_all
  case $code in
    0) outcome "$name" "passed in $((SECONDS - start)) s" 0 ;;
    124 | 137) outcome "$name" "stopped at its limit of $limit s" 1 ;;
    *) outcome "$name" "failed with exit code $code after $((SECONDS - start)) s" 1 ;;
  esac
  tail -n "$((code ? 40 : 15))" "$logs/$name.log"
}

# end_all: end what a step has left behind.
end_all() {
  [ -n "$running" ] && kill -KILL -- "-$running" 2>/dev/null
  running='' at_work=''
}

# stopped: a signal has arrived; the summary comes first, since whoever sent it may not wait.
stopped() {
  trap '' INT TERM HUP
  outcome "${at_work:-this script}" "was stopped" 1
  if [ -n "$running" ]; then
    kill -INT "$running" 2>/dev/null
    wait "$running"
    end_all
  fi
  finish
}

# outcome NAME WORDS FAILED: note how a step ended, and write the summary anew.
outcome() {
  outcomes+=("$1: $2")
  failures=$((failures + $3))
  echo "== $1: $2"
  summary
}

summary() {
  local name rest=" $steps " line
  {
    echo "# What was checked on this GPU"
    echo
    echo "Written by \`scripts/gpu_check.sh\` at commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), device $device${tiny:+, everything tiny}."
    echo
    for line in "${outcomes[@]}"; do
      echo "- $line"
      rest=${rest/" ${line%%:*} "/ }
    done
    for name in $rest; do echo "- $name: not reached"; done
    for name in facts tests; do
      [ "$logs/$name.log" -nt "$scratch/began" ] || continue
      printf '\n```\n'
      tail -n 40 "$logs/$name.log" | tr '\r' '\n' | cut -c 1-200
      printf '```\n'
    done
    for name in "$tables"/{denoiser,engine,paper_window}_"$card"*.md; do
      [ "$name" -nt "$scratch/began" ] && printf '\nTable: %s\n' "$(basename "$name")"
    done
    true
  } >"$tables/.gpu_check.$$" && mv "$tables/.gpu_check.$$" "$tables/gpu_check_$card$chosen.md" && return
  echo "== the summary could not be written to $tables"
  return 1
}

finish() {
  if summary; then
    echo "== summary: $tables/gpu_check_$card$chosen.md"
  else
    failures=$((failures + 1))
  fi
  printf '   %s\n' "${outcomes[@]}"
  rm -rf "$scratch"
  exit $((failures > 0))
}
trap stopped INT TERM HUP

facts='
import importlib.metadata, os, platform, shutil, sys
import torch
print(platform.platform(), "Python", platform.python_version(), os.cpu_count(), "cores")
print("compilers:", *(name for name in ("gcc", "g++", "nvcc") if shutil.which(name)))
for name in ("torch", "torchvision", "triton", "diffusers", "transformers", "open_clip_torch", "nudenet", "onnxruntime",
             "hydra-core", "datasets", "pandas", "pytest"):
    try:
        print(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        print(name, "is not here")
if sys.argv[1] != "cpu":
    card = torch.cuda.get_device_properties(0)
    print(card.name, card.total_memory >> 20, "MiB, capability", f"{card.major}.{card.minor}", "CUDA", torch.version.cuda,
          "cuDNN", torch.backends.cudnn.version(), torch.cuda.device_count(), "of them")
import diffusers, eval.generate.loop, open_clip, nudenet  # what everything else needs
'
name_of_card='
import re, sys
import torch
name = "cpu" if sys.argv[1] == "cpu" else torch.cuda.get_device_name(0)
print(re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"))
'

if [ -n "$wheels" ]; then
  step wheels 60 5 "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir \
    --target "$scratch/site" "$wheels"/*.whl
else
  steps=" $steps "
  steps=${steps/ wheels / }
fi
card=$(timeout 60 "$python" -c "$name_of_card" "$device" 2>/dev/null | tail -n 1)
card=${card:-unknown}${tiny:+-tiny}
rm -f "$tables/gpu_check_unknown$chosen.md"
bench=${BENCH:---quick}
label=$(label_of "$bench")

step facts "${FACTS_LIMIT:-60}" 5 "$python" -c "$facts" "$device"
# Warnings are errors in the project's own environment; another machine's libraries may warn of other things. A step that
# reaches its limit is interrupted as by ctrl-C, at which pytest tells what it has found.
read -r -a words <<<"${TESTS:-$([ "$device" = cpu ] || printf %s "-n 6")}"
step tests "${TESTS_LIMIT:-160}" 20 "$python" -m pytest tests/gpu -m gpu -v -rfEs --tb=short --durations=10 \
  -p no:cacheprovider -o filterwarnings=default "${words[@]}"
read -r -a words <<<"${DENOISER:-} ${tiny:+--small --rows 2 4 --compiled-rows 4}"
step denoiser "${DENOISER_LIMIT:-480}" 60 "$python" scripts/bench_denoiser.py --device "$device" --world "$work" \
  --deadline LIMIT --out "$tables/denoiser_$card.md" "${words[@]}"
read -r -a words <<<"$bench ${tiny:+--small --steps 4 --batch 4 --images 2 --rounds 1 --no-compile}"
step bench "${BENCH_LIMIT:-320}" 60 "$python" scripts/bench_engine.py --device "$device" --world "$work" \
  --deadline LIMIT --out "$tables/engine_${card}_$label.md" "${words[@]}"
read -r -a words <<<"${WINDOW:-} ${tiny:+--small protocol.steps=2 batch_size=2 prompts.rows=0-11}"
step window "$total" "$([ -n "$tiny" ] && echo 60 || echo 200)" "$python" scripts/paper_window.py --device "$device" --world "$work" --seconds LIMIT \
  --out "$tables/paper_window_$card.md" "${words[@]}"
finish
