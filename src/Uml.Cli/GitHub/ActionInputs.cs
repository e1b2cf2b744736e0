using System.Collections.Immutable;

namespace Uml.CI.Cli;

/// <summary>The inputs of the action, as its steps hand them on: variables INPUT_NAME.</summary>
internal sealed record ActionInputs
{
    /// <summary>What the results of a kernel hold beside artifacts.</summary>
    public static readonly ImmutableArray<string> OwnFiles = ["", "kernel.log", "run.json", "reports"];

    /// <summary>The kernels, at least one.</summary>
    public required ImmutableArray<string> Kernels { get; init; }

    /// <summary>The commands; empty for a guest that is kept.</summary>
    public required string Run { get; init; }

    public required string Shell { get; init; }

    public required string Root { get; init; }

    public required string Name { get; init; }

    /// <summary>The repository's directory.</summary>
    public required string Workspace { get; init; }

    /// <summary>How the guest sees it: ro, rw, cow; null for the default.</summary>
    public string? WorkspaceMode { get; init; }

    public required string WorkingDirectory { get; init; }

    public string? Timeout { get; init; }

    public string? BootTimeout { get; init; }

    public string? Memory { get; init; }

    public string? Cpus { get; init; }

    public ImmutableArray<string> Append { get; init; } = [];

    public ImmutableArray<string> Mounts { get; init; } = [];

    public ImmutableArray<string> Copies { get; init; } = [];

    /// <summary>Files and directories of the guest to bring back.</summary>
    public ImmutableArray<string> Artifacts { get; init; } = [];

    /// <summary>Reports of tests that the commands write.</summary>
    public ImmutableArray<string> Reports { get; init; } = [];

    /// <summary>Files that say which complaints of kernels are put up with.</summary>
    public ImmutableArray<string> AllowLists { get; init; } = [];

    /// <summary>Where results go on the host.</summary>
    public required string Output { get; init; }

    public bool Annotate { get; init; }

    /// <summary>Whether a kernel that complained makes the step fail.</summary>
    public bool FailOnComplaints { get; init; }

    /// <summary>Reads them.</summary>
    /// <exception cref="ArgumentException">One is not what it should be; the message is one line and names it.</exception>
    public static ActionInputs Read(Func<string, string?> variable)
    {
        string? Text(string name) => variable($"INPUT_{name}")?.Trim() is { Length: > 0 } text ? text : null;
        ImmutableArray<string> Lines(string name) => [.. (Text(name) ?? "").Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
        bool Flag(string name, string input, bool otherwise) => Text(name) switch
        {
            null => otherwise,
            "true" => true,
            "false" => false,
            { } text => throw new ArgumentException($"the input \"{input}\" is \"{text}\": write true or false"),
        };
        string OneOf(string name, string input, params string[] words) => (Text(name) ?? words[0]) is var word && words.Contains(word, StringComparer.Ordinal)
            ? word
            : throw new ArgumentException($"the input \"{input}\" is \"{word}\": write {string.Join(" or ", words)}");

        string workspace = Path.GetFullPath(variable("GITHUB_WORKSPACE") is { Length: > 0 } directory ? directory : Directory.GetCurrentDirectory());
        ImmutableArray<string> kernels = [.. (Text("KERNEL") ?? "debian:sid").Split(['\n', ','], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Distinct(StringComparer.Ordinal)];
        foreach (string kernel in kernels)
        {
            try
            {
                KernelReference.Parse(kernel);
            }
            catch (KernelException e)
            {
                throw new ArgumentException($"the input \"kernel\": {e.Message}", e);
            }
        }

        if (kernels.IsEmpty)
            throw new ArgumentException("the input \"kernel\" names no kernel");
        string name = Text("NAME") ?? SessionDirectory.DefaultName;
        if (SessionDirectory.ProblemWith(name) is { } problem)
            throw new ArgumentException($"the input \"name\": {problem}");
        string output = Path.TrimEndingDirectorySeparator(Path.GetFullPath(Text("OUTPUT") ?? "uml-results", workspace));
        // What an earlier run left there is deleted.
        if (output == "/" || (workspace + "/").StartsWith(output + "/", StringComparison.Ordinal))
            throw new ArgumentException($"the input \"output\" is \"{Text("OUTPUT")}\", the repository's directory or one around it: name one for results alone, such as uml-results");
        ImmutableArray<string> allowLists = [.. Lines("ALLOW").Select(f => Path.GetFullPath(f, workspace))];
        try
        {
            ComplaintGate.Open(allowLists);
        }
        catch (ArgumentException e)
        {
            throw new ArgumentException($"the input \"allow\": {e.Message}", e);
        }

        string workingDirectory = Path.GetFullPath(Text("WORKING_DIRECTORY") ?? ".", workspace);
        ImmutableArray<string> artifacts = Lines("ARTIFACTS");
        var names = new HashSet<string>(OwnFiles, StringComparer.Ordinal);
        foreach (string artifact in artifacts)
        {
            string artifactName = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(artifact, workingDirectory)));
            if (!names.Add(artifactName))
                throw new ArgumentException($"the input \"artifacts\": \"{artifact}\" would overwrite another \"{artifactName}\" in the results: give them different names");
        }

        return new ActionInputs
        {
            Kernels = kernels,
            Run = variable("INPUT_RUN") is { } run && !string.IsNullOrWhiteSpace(run) ? run : "",
            Shell = OneOf("SHELL", "shell", "bash", "sh"),
            Root = Text("ROOT") ?? "host",
            Name = name,
            Workspace = workspace,
            WorkspaceMode = Text("WORKSPACE") is null ? null : OneOf("WORKSPACE", "workspace", "cow", "rw", "ro"),
            WorkingDirectory = workingDirectory,
            Timeout = Text("TIMEOUT"),
            BootTimeout = Text("BOOT_TIMEOUT"),
            Memory = Text("MEMORY"),
            Cpus = Text("CPUS"),
            Append = Lines("APPEND"),
            Mounts = Lines("MOUNT"),
            Copies = Lines("COPY"),
            Artifacts = artifacts,
            Reports = Lines("REPORT"),
            AllowLists = allowLists,
            Output = output,
            Annotate = Flag("ANNOTATE", "annotate", otherwise: true),
            FailOnComplaints = OneOf("COMPLAINTS", "complaints", "fail", "warn") == "fail",
        };
    }

    /// <summary>The options of <c>uml run</c> and <c>uml guest start</c> that describe a guest with this kernel.</summary>
    public IEnumerable<string> GuestOptions(string kernel, string defaultWorkspaceMode)
    {
        List<string> options = ["--kernel", kernel, "--root", Root, "--offline", "--workdir", WorkingDirectory];
        foreach ((string option, string? value) in (ReadOnlySpan<(string, string?)>)[("--memory", Memory), ("--cpus", Cpus), ("--boot-timeout", BootTimeout)])
        {
            if (value is not null)
                options.AddRange([option, value]);
        }

        // The host's root shows it already, under the layer that keeps writes in the guest.
        string mode = WorkspaceMode ?? defaultWorkspaceMode;
        if (mode != "cow" || Root is not ("host" or "/"))
            options.AddRange(["--mount", $"{Escape(Workspace)}:{Escape(Workspace)}:{mode}"]);
        options.AddRange(Append.SelectMany(a => (string[])["--append", a]));
        options.AddRange(Mounts.SelectMany(m => (string[])["--mount", m]));
        options.AddRange(Copies.SelectMany(c => (string[])["--copy", c]));
        return options;
    }

    /// <summary>A path as options take it that separate paths by colons.</summary>
    public static string Escape(string path) => path.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(":", "\\:", StringComparison.Ordinal);
}
