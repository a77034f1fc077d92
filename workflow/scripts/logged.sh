# `logged LOG COMMAND...`: what the command says goes to the end of the log, under a line that says when it began. Whatever
# is there already stays (Snakemake deletes what it finds before it starts a job, but not what an orphan of a killed one
# writes later). If the command fails, its message is shown here too: from the last line that names the cause
# (`stgnn COMMAND: ...`) on, or else the last few lines.
logged() {
    local log=$1
    shift
    echo "--- $(date '+%F %T'), $(uname -n), process $$ begins" >> "$log"
    "$@" >> "$log" 2>&1 && return
    awk '
        /^--- .* begins$/ { lines = cause = 0; next }
        { line[++lines] = $0 }
        /^stgnn [a-z]+: / { cause = lines }
        END {
            first = cause ? cause : lines > 5 ? lines - 4 : 1
            for (number = first; number <= lines && number < first + 40; number++) print line[number]
        }
    ' "$log" >&2
    return 1
}
