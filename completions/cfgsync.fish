# Completions of cfgsync for fish. The program is asked when somebody presses Tab, and not before.

function __cfgsync_complete
    set -l current (commandline -ct)
    for line in (COMPLETE=fish command cfgsync -- (commandline -opc) "$current" 2>/dev/null </dev/null)
        set -l parts (string split \t -- $line)
        set -l rest (string sub -s (math (string length -- "$parts[2]") + 1) -- "$current")
        switch $parts[1]
            case files
                for path in (__fish_complete_path "$rest")
                    printf '%s%s\n' "$parts[2]" "$path"
                end
            case folders
                for path in (__fish_complete_directories "$rest" '')
                    printf '%s%s\n' "$parts[2]" "$path"
                end
            case word path
                printf '%s\t%s\n' $parts[2] "$parts[3]"
        end
    end
end

complete -c cfgsync -f -k -a '(__cfgsync_complete)'
