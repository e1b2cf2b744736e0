using System.Collections.Immutable;
using System.Globalization;

namespace Uml.CI;

/// <summary>What git knows of a work tree.</summary>
internal sealed record GitTree
{
    private string Directory { get; init; } = "";

    private string Git { get; init; } = "";

    /// <summary>The commit that is checked out.</summary>
    public required string Commit { get; init; }

    /// <summary>Its time, in seconds since 1970.</summary>
    public required long Date { get; init; }

    /// <summary>Files differ from it, or are there beside it.</summary>
    public required bool IsModified { get; init; }

    /// <summary>SHA-256 of what is checked out and of how it was changed.</summary>
    public required string Hash { get; init; }

    /// <summary>Asks git. Null when there is no git, or the directory is not the root of a work tree with a commit.</summary>
    public static async Task<GitTree?> OpenAsync(string directory, HostTools host, CancellationToken cancellationToken)
    {
        if (!Path.Exists(Path.Combine(directory, ".git")) || ExternalProgram.Find("git", host.Variable("PATH") ?? "") is not { } git)
            return null;
        string? head = await RunAsync(git, directory, ["show", "-s", "--format=%H %T %ct", "HEAD"], cancellationToken);
        string? status = head is null ? null : await RunAsync(git, directory, ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=none"], cancellationToken);
        if (head?.Trim().Split(' ') is not [var commit, var content, var time] || status is null)
            return null;
        string[] changed = [.. status.Split('\0', StringSplitOptions.RemoveEmptyEntries).Where(e => e.Length > 3).Select(e => e[3..])];
        return new GitTree
        {
            Directory = directory,
            Git = git,
            Commit = commit,
            Date = long.Parse(time, CultureInfo.InvariantCulture),
            IsModified = changed.Length > 0,
            Hash = BuildInputs.HashOf([content, changed.Length == 0 ? "" : await Task.Run(() => FileTree.Hash(directory, changed, cancellationToken), cancellationToken)]),
        };
    }

    /// <summary>The files that are in it, without those that are ignored.</summary>
    public async Task<IReadOnlyList<string>> ListAsync(CancellationToken cancellationToken)
    {
        string list = await RunAsync(Git, Directory, ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"], cancellationToken) ?? "";
        return [.. list.Split('\0', StringSplitOptions.RemoveEmptyEntries).Where(f => Path.Combine(Directory, f) is var path && (File.Exists(path) || new FileInfo(path).LinkTarget is not null))];
    }

    private static async Task<string?> RunAsync(string git, string directory, ImmutableArray<string> arguments, CancellationToken cancellationToken)
    {
        ExternalResult result = await new ExternalProgram(git)
        {
            // A tree of somebody else's is read, too, and nothing is written, not even git's index.
            Arguments = ["-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-C", directory, .. arguments],
            Environment = ImmutableDictionary<string, string?>.Empty.Add("GIT_OPTIONAL_LOCKS", "0").Add("LC_ALL", "C").Add("GIT_DIR", null).Add("GIT_WORK_TREE", null).Add("GIT_INDEX_FILE", null),
            EndsWithParent = true,
            ThrowsOnFailure = false,
        }.RunAsync(cancellationToken);
        return result.ExitCode == 0 ? result.StandardOutput : null;
    }
}
