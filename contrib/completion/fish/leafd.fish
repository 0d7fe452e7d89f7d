# fish completion of leafd: the program lists its commands, options and certificates by itself
function __leafd_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    $words[1] complete -- $words[2..-1] "$current" 2>/dev/null | string replace ':' \t
end
complete -c leafd -f -a '(__leafd_complete)'
complete -c leafd -s c -l config -r -F
