using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>The program that is PID 1 of a guest with a system of its own; the agent goes on beside it.</summary>
public sealed record InitSystem
{
    private InitSystem(string name, params ImmutableArray<string> candidates)
    {
        Name = name;
        Candidates = candidates;
    }

    /// <summary>systemd, where distributions put it.</summary>
    public static InitSystem Systemd { get; } = new("systemd", "/usr/lib/systemd/systemd", "/lib/systemd/systemd");

    /// <summary>Whatever the root has, found as the kernel finds it (init/main.c, kernel_init): systemd, sysvinit, OpenRC, BusyBox.</summary>
    public static InitSystem Default { get; } = new("init", "/sbin/init", "/etc/init", "/bin/init");

    /// <summary>The name used on the command line: <c>systemd</c>, <c>init</c> or the path.</summary>
    public string Name { get; }

    /// <summary>Absolute paths in the guest; the first that can be executed is PID 1.</summary>
    public ImmutableArray<string> Candidates { get; }

    /// <summary>A program of the guest's root.</summary>
    /// <param name="path">Absolute path in the guest.</param>
    /// <exception cref="ArgumentException">The path is not absolute.</exception>
    public static InitSystem Program(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return path.StartsWith('/') ? new(path, path) : throw new ArgumentException($"\"{path}\" is no init: name systemd, init, or an absolute path in the guest");
    }

    /// <summary>Reads <c>systemd</c>, <c>init</c> or an absolute path.</summary>
    /// <exception cref="ArgumentException">It is none of these.</exception>
    public static InitSystem Parse(string text) => text switch
    {
        "systemd" => Systemd,
        "init" => Default,
        _ => Program(text),
    };

    /// <summary>Whether both mean the same program.</summary>
    public bool Equals(InitSystem? other) => other is not null && Name == other.Name;

    /// <inheritdoc/>
    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);

    /// <inheritdoc/>
    public override string ToString() => Name;
}
