using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml completion</c>: scripts for shells. They ask the tool itself what fits, so they need no update with it.</summary>
internal static class CompletionCommand
{
    // The tool completes its own words; behind "run" the command's words are completed as if it were typed alone.
    private const string Bash = """
        # bash completion for uml: eval "$(uml completion bash)"
        _uml() {
            local cur="${COMP_WORDS[COMP_CWORD]}" line="${COMP_LINE:0:COMP_POINT}" IFS=$'\n'
            COMPREPLY=()
            # A reference such as debian:sid is one word here and three to readline.
            if declare -F _get_comp_words_by_ref >/dev/null; then _get_comp_words_by_ref -n : cur; fi
            COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:${#line}]" "$line" 2>/dev/null)" -- "$cur"))
            if declare -F __ltrimcolon_completions >/dev/null; then __ltrimcolon_completions "$cur"; fi
        }
        complete -o bashdefault -o default -F _uml uml

        """;

    private const string Zsh = """
        #compdef uml
        # zsh completion for uml: eval "$(uml completion zsh)"
        _uml() {
            local line="${words[1,CURRENT]}"
            local -a found
            found=("${(@f)$("${words[1]}" "[suggest:${#line}]" "$line" 2>/dev/null)}")
            if (( ${#found} )) && [[ -n "${found[1]}" ]]; then compadd -- "${found[@]}"; fi
            _files
        }
        compdef _uml uml

        """;

    private const string Fish = """
        # fish completion for uml: uml completion fish | source
        function __uml_complete
            set -l line (commandline -cp)
            (commandline -opc)[1] "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete -c uml -a '(__uml_complete)'

        """;

    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print a completion script for a shell") { shell };
        command.SetAction((result, _) =>
        {
            Descriptor.Output.Write(result.GetValue(shell) switch { "bash" => Bash, "zsh" => Zsh, _ => Fish });
            return Task.FromResult(0);
        });
        HelpText.Describe(command, "uml completion bash|zsh|fish", """
            Examples:
              eval "$(uml completion bash)"          # in ~/.bashrc
              eval "$(uml completion zsh)"           # in ~/.zshrc, after compinit
              uml completion fish | source           # in ~/.config/fish/config.fish
            """);
        return command;
    }
}
