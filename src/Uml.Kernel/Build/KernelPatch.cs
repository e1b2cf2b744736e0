using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>A change to the kernel's source that a profile needs.</summary>
/// <param name="FileName">The name of its file.</param>
/// <param name="Text">All of it, the text above the diff included.</param>
internal sealed record KernelPatch(string FileName, string Text)
{
    /// <summary>The kernels it is for.</summary>
    public KernelVersionRange Versions { get; init; } = KernelVersionRange.All;

    /// <summary>The profiles it is for; none is all.</summary>
    public ImmutableArray<string> Profiles { get; init; } = [];

    /// <summary>Reads a patch: the lines above the diff that begin with <c>#:</c> say what it is for.</summary>
    /// <exception cref="KernelException">Such a line makes no sense.</exception>
    public static KernelPatch Parse(string fileName, string text)
    {
        KernelPatch patch = new(fileName, text);
        foreach (string line in text.Split('\n').TakeWhile(l => !l.StartsWith("--- ", StringComparison.Ordinal) && !l.StartsWith("diff ", StringComparison.Ordinal)))
        {
            if (!line.StartsWith("#:", StringComparison.Ordinal))
                continue;
            Queue<string> words = new(line[2..].Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries));
            KernelVersionRange versions = patch.Versions;
            if (words.Count == 2 && words.Peek() == "profile")
            {
                patch = patch with { Profiles = [.. patch.Profiles, .. words.Last().Split(',')] };
                continue;
            }

            while (KernelVersionRange.TryTake(words, ref versions))
            {
            }

            patch = words.Count == 0 ? patch with { Versions = versions } : throw new KernelException($"The patch {fileName}: '{line}' is not understood: write '#: since A.B', '#: before A.B' or '#: profile NAME'.");
        }

        return patch;
    }

    /// <summary>Whether a kernel of a version with these profiles gets it.</summary>
    public bool IsFor(Version version, IReadOnlyCollection<string> profiles) =>
        Versions.Contains(version) && (Profiles.IsEmpty || Profiles.Any(profiles.Contains));
}
