#!/usr/bin/env bash
# Holds a whole run to the table in tests/FAULTS.md, or writes that table anew.
#
#   tests/faults.sh [--bless] [--fast] [--soak] DIR
#
# DIR holds what the tests wrote: per fault and scenario one line of fields behind tabs (tests/it/fault_table.rs).
# Fails when a fault was injected less often than the table says, when it was not survived each time, and when a line
# is missing here or there. With --fast, only lines of tests that need no Docker are asked for; without --soak, none of
# those that only a soak has. Lines that are not asked for stay as they are when the table is written anew.
set -euo pipefail

table=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/FAULTS.md
bless='' fast='' soak=''
while (($# > 1)); do
    case $1 in
        --bless) bless=yes ;;
        --fast) fast=yes ;;
        --soak) soak=yes ;;
        '') ;;
        *) sed -n '4,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2 && exit 64 ;;
    esac
    shift
done
dir=${1:?"name the directory that the tests wrote to"}
rows=$(mktemp)
trap 'rm -f "$rows" "$rows".*' EXIT
find "$dir" -name '*.tsv' -exec cat {} + | LC_ALL=C sort >"$rows"
[[ -s $rows ]] || { echo "no test wrote of a fault to $dir" >&2 && exit 1; }

# One line for each fault, then one for each of its scenarios.
as_table() {
    awk -F '\t' -v OFS=' | ' '
        { injected[$1] += $4; survived[$1] += $5; held[$1] += $6; if ($7 > passes[$1]) passes[$1] = $7 }
        { lines[$1] = lines[$1] "| | " $2 " | " $3 " | " $4 " | " $5 " | " $6 " | " $7 " |\n" }
        { all_injected += $4; all_survived += $5 }
        END {
            print "| fault | scenario | on | injected | survived | of these by `--retry` | most passes |"
            print "|---|---|---|--:|--:|--:|--:|"
            while ((getline name < faults) > 0)
                printf "| **%s** | all | | **%d** | **%d** | %d | %d |\n%s",
                    name, injected[name], survived[name], held[name], passes[name], lines[name]
            printf "| **all** | | | **%d** | **%d** | | |\n", all_injected, all_survived
        }' faults="$rows.names" "$rows"
}

# Every line of the table, as the tests write them, but for the time; `asked` says whether it is asked for.
committed() {
    awk -F ' *[|] *' -v OFS='\t' -v fast="$fast" -v soak="$soak" -v asked="$1" '
        /^\| \*\*/ { fault = $2; gsub(/\*/, "", fault) }
        /^\| \|/ {
            is_asked = (!fast || $4 ~ /^fakes/) && (soak || $4 !~ /, soak$/)
            if (is_asked == asked) print fault, $3, $4, $5, $6, $7, $8, 0
        }' "$table"
}

held() {
    committed 1 >"$rows.committed"
    awk -F '\t' '
        NR == FNR { wanted[$1 FS $2 FS $3] = $4; next }
        { key = $1 FS $2 FS $3; seen[key] }
        $5 < $4 { print $2 ": " $1 " (" $3 "): " $5 " of " $4 " survived"; bad = 1 }
        !(key in wanted) { print $2 ": " $1 " (" $3 "): not in the table; tests/run.sh --bless-faults adds it"; bad = 1 }
        key in wanted && $4 < wanted[key] { print $2 ": " $1 " (" $3 "): injected " $4 " times, and " wanted[key] " is the number"; bad = 1 }
        key in wanted && $4 > wanted[key] { more++ }
        END {
            for (key in wanted) if (!(key in seen)) { gsub(FS, ", ", key); print key ": in the table, and not in this run"; bad = 1 }
            if (more) print more " lines have more than the table says; tests/run.sh --bless-faults writes it anew"
            exit bad
        }' "$rows.committed" "$rows"
}

echo "slowest from the fault to the end, in ms:"
sort -t "$(printf '\t')" -k 8,8nr "$rows" | awk -F '\t' 'NR <= 3 { print "  " $8 ": " $1 ", " $2 }'
if [[ -n $bless ]]; then
    committed 0 | LC_ALL=C sort - "$rows" >"$rows.all"
    mv "$rows.all" "$rows"
fi
cut -f 1 "$rows" | LC_ALL=C uniq >"$rows.names"
if [[ -n $bless ]]; then
    as_table >"$rows.table"
    awk -v table="$rows.table" '
        /^<!-- table -->$/ { print; while ((getline line < table) > 0) print line; skip = 1 }
        /^<!-- end -->$/ { skip = 0 }
        !skip || /^<!-- end -->$/ { if (!/^<!-- table -->$/) print }' "$table" >"$rows.new"
    cat "$rows.new" >"$table"
    echo "written: tests/FAULTS.md"
fi
tail -n 1 <(as_table) | sed 's/[|*]//g; s/  */ /g; s/^ all/faults injected and survived:/'
held
