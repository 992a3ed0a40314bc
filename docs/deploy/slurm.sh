#!/bin/bash
#SBATCH --job-name=crunch
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append

saved="$HOME/saved/$SLURM_JOB_ID"

hetmig run --checkpoint "$saved" --every 300 --grace 90 crunch.py data/ &
child=$!
trap 'kill -TERM "$child"' TERM
wait "$child"
code=$?
if [ "$code" -eq 143 ]; then      # the signal has ended the waiting, not the script
    wait "$child"
    code=$?
fi

if [ "$code" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
