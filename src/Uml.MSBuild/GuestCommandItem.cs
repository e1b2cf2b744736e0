using System.Globalization;
using Microsoft.Build.Framework;

namespace Uml.CI.MSBuild;

/// <summary>An item of UmlGuestCommand: what is to run, where and how.</summary>
internal sealed record GuestCommandItem
{
    private static readonly string[] Known =
    [
        nameof(Command), nameof(Arguments), nameof(Kernel), nameof(Root), nameof(Memory), nameof(Cpus), nameof(EnvironmentVariables),
        nameof(WorkingDirectory), nameof(TimeoutSeconds), nameof(BootTimeoutSeconds), nameof(Inputs),
    ];

    private GuestCommandItem(ITaskItem item) => Item = item;

    public ITaskItem Item { get; }

    /// <summary>What the item is called: the command itself unless that has a metadatum of its own.</summary>
    public string Name => Item.ItemSpec;

    public string? Command { get; private init; }

    public IReadOnlyList<string> Arguments { get; private init; } = [];

    /// <summary>The kernels it runs on; none for those of the project.</summary>
    public IReadOnlyList<string> Kernel { get; private init; } = [];

    public string Root { get; private init; } = "";

    public string Memory { get; private init; } = "";

    public int Cpus { get; private init; } = 1;

    public IReadOnlyList<string> EnvironmentVariables { get; private init; } = [];

    public string WorkingDirectory { get; private init; } = "";

    public int TimeoutSeconds { get; private init; }

    public int BootTimeoutSeconds { get; private init; } = 30;

    /// <summary>Files and directories which, besides the artifacts, make the command run again when they change.</summary>
    public IReadOnlyList<string> Inputs { get; private init; } = [];

    /// <summary>Reads an item.</summary>
    /// <exception cref="BadItemException">It makes no sense.</exception>
    public static GuestCommandItem Read(ITaskItem item)
    {
        foreach (string name in item.CloneCustomMetadata().Keys)
        {
            if (!Known.Contains(name, StringComparer.OrdinalIgnoreCase))
                throw new BadItemException(item, $"UmlGuestCommand \"{item.ItemSpec}\" has the unknown metadatum {name}: write one of {string.Join(", ", Known)}");
        }

        string root = item.GetMetadata(nameof(Root));
        string command = item.GetMetadata(nameof(Command));
        string[] arguments = List(nameof(Arguments));
        if (command.Length > 0 && arguments.Length > 0)
            throw new BadItemException(item, $"UmlGuestCommand \"{item.ItemSpec}\" has both Command, for a shell, and Arguments, for a program and its arguments: give one");
        if (command.Length == 0 && arguments.Length == 0)
        {
            // An empty root has no shell.
            if (root == "empty")
                arguments = item.ItemSpec.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            else
                command = item.ItemSpec;
        }

        return new GuestCommandItem(item)
        {
            Command = command.Length == 0 ? null : command,
            Arguments = arguments,
            Kernel = List(nameof(Kernel)),
            Root = root,
            Memory = item.GetMetadata(nameof(Memory)),
            Cpus = Number(nameof(Cpus), 1),
            EnvironmentVariables = List(nameof(EnvironmentVariables)),
            WorkingDirectory = item.GetMetadata(nameof(WorkingDirectory)),
            TimeoutSeconds = Number(nameof(TimeoutSeconds), 0),
            BootTimeoutSeconds = Number(nameof(BootTimeoutSeconds), 30),
            Inputs = List(nameof(Inputs)),
        };

        string[] List(string name) => item.GetMetadata(name).Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

        int Number(string name, int whenMissing)
        {
            string text = item.GetMetadata(name);
            if (text.Length == 0)
                return whenMissing;
            return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value)
                ? value
                : throw new BadItemException(item, $"UmlGuestCommand \"{item.ItemSpec}\" has the {name} \"{text}\": write a number");
        }
    }

    /// <summary>The names of the kernels it runs on: its own, else the project's, else "", which is the default kernel.</summary>
    public IEnumerable<string> KernelsAmong(IReadOnlyCollection<string> project)
    {
        if (Kernel.Count > 0)
            return Kernel;
        return project.Count > 0 ? project : [""];
    }
}

/// <summary>An item that makes no sense. The message is one line that names it.</summary>
internal sealed class BadItemException(ITaskItem item, string message) : Exception(message)
{
    /// <summary>The file the item is written in.</summary>
    public string? File { get; } = item.GetMetadata("DefiningProjectFullPath") is { Length: > 0 } file ? file : null;
}
