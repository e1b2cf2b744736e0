namespace Uml.CI;

/// <summary>Applies patches to a tree of symbolic links.</summary>
internal static class PatchedFiles
{
    /// <summary>Applies one.</summary>
    /// <exception cref="KernelException">It does not fit.</exception>
    public static async Task ApplyAsync(KernelPatch patch, string tree, HostTools host, string reference, CancellationToken cancellationToken)
    {
        foreach (string file in Targets(patch.Text))
        {
            // What is changed must be a file of the tree's own.
            FileInfo link = new(Path.Combine(tree, file));
            if (link.LinkTarget is not { } original)
                continue;
            link.Delete();
            File.Copy(original, link.FullName);
        }

        string text = Path.Combine(tree, ".patch");
        await File.WriteAllTextAsync(text, patch.Text, cancellationToken);
        ExternalResult result = await new ExternalProgram(BuildTool.Find("patch", host.Variable("PATH")) ?? "patch")
        {
            Arguments = ["-p1", "--batch", "--no-backup-if-mismatch", "--fuzz=2", "-d", tree, "-i", text],
            Environment = BuildEnvironment.Create(host.Variable),
            EndsWithParent = true,
            ThrowsOnFailure = false,
        }.RunAsync(cancellationToken);
        File.Delete(text);
        if (result.ExitCode != 0)
        {
            string words = string.Join(" | ", result.StandardOutput.Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(3));
            throw new KernelException($"{reference} cannot be built: the patch {patch.FileName}, which a profile needs, does not fit this source ({words}); leave the profile out, or build another version.");
        }
    }

    /// <summary>The files a patch changes.</summary>
    internal static IEnumerable<string> Targets(string patch) =>
        patch.Split('\n').Where(l => l.StartsWith("+++ b/", StringComparison.Ordinal)).Select(l => l["+++ b/".Length..].Split('\t')[0].TrimEnd()).Where(f => !f.Split('/').Contains(".."));
}
