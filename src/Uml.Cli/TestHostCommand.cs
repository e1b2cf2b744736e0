using System.Collections.Immutable;
using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml testhost</c>: what <c>dotnet test</c> and <c>dotnet run</c> start instead of a program that is to run in a guest.</summary>
internal static class TestHostCommand
{
    public static Command Create()
    {
        var options = new GuestOptionSet();
        var words = new Argument<string[]>("COMMAND") { Arity = ArgumentArity.ZeroOrMore, Description = "The test program, with the arguments that \"dotnet test\" adds" };
        var command = new Command("testhost", "Run a .NET program in a guest for \"dotnet test\" or \"dotnet run\"");
        command.Arguments.Add(words);
        options.AddTo(command, shell: false);
        // What MSBuild says of the project; people have better options for it.
        var project = new Option<string?>("--project") { HelpName = "DIR", Description = "Directory of the project, where uml.lock.json and NuGet.Config are looked for", Hidden = true };
        var lockFile = new Option<string?>("--lock-file") { HelpName = "FILE", Description = "The lock file, below that directory", Hidden = true };
        var variables = new Option<string?>("--variables") { HelpName = "NAME=VALUE;...", Description = "Variables, as a list of MSBuild's", Hidden = true };
        foreach (Option option in (Option[])[project, lockFile, variables])
            command.Options.Add(option);
        command.SetAction((result, _) =>
        {
            if (result.GetValue(words) is { Length: > 0 } line)
            {
                RunRequest request = options.Read(result, line, shell: false);
                string directory = Path.GetFullPath(result.GetValue(project) ?? ".");
                return TestHostSession.RunAsync(request with
                {
                    Guest = request.Guest with { Environment = WithVariables(request.Guest.Environment, result.GetValue(variables) ?? "") },
                    LockFile = result.GetValue(lockFile) is { Length: > 0 } file ? Path.GetFullPath(file, directory) : KernelLock.FindFile(request.Guest.Kernel, directory),
                    SettingsDirectory = directory,
                });
            }

            Message.Error("no program was given: uml testhost [options] [--] COMMAND...; see \"uml testhost --help\"");
            return Task.FromResult(ExitStatus.NotProvided);
        });
        HelpText.Describe(command, "uml testhost [options] [--] COMMAND...", ExitStatus.Table, """
            As "uml run", and what a program needs that believes it runs on the host:
            the socket after --dotnet-test-pipe leads to the host, and the results directory
            (--results-directory, else TestResults beside the program) is the host's own. The guest
            ends with the process that started it.

            MSBuild calls this when the property UmlKernel is set:
              dotnet test -p:UmlKernel=debian:sid
            """);
        return command;
    }

    /// <summary>Adds a list of variables, separated as MSBuild separates; spaces around them are not part of them.</summary>
    /// <exception cref="ArgumentException">One is not NAME=VALUE.</exception>
    internal static ImmutableSortedDictionary<string, string> WithVariables(ImmutableSortedDictionary<string, string> environment, string list)
    {
        foreach (string variable in list.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            int equals = variable.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1)
                throw new ArgumentException($"\"{variable}\" in UmlEnvironment is not a variable: write NAME=VALUE;NAME=VALUE");
            environment = environment.SetItem(variable[..equals], variable[(equals + 1)..]);
        }

        return environment;
    }
}
