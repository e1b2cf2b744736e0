using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>What an image of a distribution is made of; testimages/images has them.</summary>
internal sealed record ImageRecipe(string Name, string Variant, ImmutableArray<string> Packages, string Text)
{
    private const string Prefix = "images/", Suffix = ".recipe";

    /// <summary>The recipes there are.</summary>
    public static ImmutableArray<string> Names { get; } =
    [
        .. typeof(ImageRecipe).Assembly.GetManifestResourceNames()
            .Where(n => n.StartsWith(Prefix, StringComparison.Ordinal) && n.EndsWith(Suffix, StringComparison.Ordinal))
            .Select(n => n[Prefix.Length..^Suffix.Length]).Order(StringComparer.Ordinal),
    ];

    /// <summary>Reads one of them.</summary>
    public static ImageRecipe Load(string name)
    {
        using Stream stream = typeof(ImageRecipe).Assembly.GetManifestResourceStream(Prefix + name + Suffix)
            ?? throw new KernelException($"There is no image recipe '{name}': there are {string.Join(", ", Names)}.") { Problem = KernelProblem.InvalidReference };
        using StreamReader reader = new(stream);
        string text = reader.ReadToEnd();
        string variant = "minbase";
        string[] packages = [];
        foreach (string line in text.Split('\n'))
        {
            string[] field = line.Split(':', 2, StringSplitOptions.TrimEntries);
            if (line.StartsWith('#') || field.Length < 2)
                continue;
            if (field[0] == "Variant")
                variant = field[1];
            else if (field[0] == "Include")
                packages = field[1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        }

        return new ImageRecipe(name, variant, [.. packages], text);
    }
}
