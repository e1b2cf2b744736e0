using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>Where an image comes from.</summary>
public enum ImageSource
{
    /// <summary>A distribution's packages: <c>debian:trixie</c>.</summary>
    Distribution,

    /// <summary>An image of the store by the name it was given: <c>image:web</c>.</summary>
    Named,

    /// <summary>A file of this machine: <c>file:PATH</c> or a path.</summary>
    File,

    /// <summary>An OCI image: <c>oci:...</c> or <c>docker-archive:...</c>.</summary>
    Oci,
}

/// <summary>
/// Names a root file system: <c>debian:SUITE</c>, with an optional <c>#RECIPE</c> and <c>:PACKAGE,PACKAGE...</c> behind that;
/// <c>image:NAME</c>; <c>oci:...</c> or <c>docker-archive:FILE</c>; <c>file:PATH</c> or a path.
/// </summary>
public sealed partial record ImageReference
{
    /// <summary>The recipe that is meant where none is named.</summary>
    public const string DefaultRecipe = "minimal";

    private const string Forms = "write debian:SUITE (such as debian:trixie or debian:trixie#systemd), image:NAME, oci:REFERENCE, docker-archive:FILE, file:PATH, or a path with a slash in it";

    private ImageReference(ImageSource source, string scheme, string value)
    {
        Source = source;
        Scheme = scheme;
        Value = value;
    }

    /// <summary>Where the image comes from.</summary>
    public ImageSource Source { get; }

    /// <summary>What stands before the first colon: <c>debian</c>, <c>image</c>, <c>oci</c>, <c>docker-archive</c>, <c>file</c>.</summary>
    public string Scheme { get; }

    /// <summary>What stands behind it; a path as it was written.</summary>
    public string Value { get; }

    /// <summary>The suite of a distribution; otherwise null.</summary>
    public string? Suite => Source == ImageSource.Distribution ? Value.Split('#', ':')[0] : null;

    /// <summary>The recipe of a distribution's image; otherwise null.</summary>
    public string? Recipe => Source != ImageSource.Distribution ? null : Value.IndexOf('#', StringComparison.Ordinal) is >= 0 and var mark ? Value[(mark + 1)..].Split(':')[0] : DefaultRecipe;

    /// <summary>Packages beyond those of the recipe, in order.</summary>
    public ImmutableArray<string> Packages =>
        Source == ImageSource.Distribution && Value.IndexOf('#', StringComparison.Ordinal) is >= 0 and var mark && Value.IndexOf(':', mark) is >= 0 and var colon
            ? [.. Value[(colon + 1)..].Split(',')]
            : [];

    /// <summary>Reads a reference.</summary>
    /// <exception cref="KernelException">The text is no reference; the message says why.</exception>
    public static ImageReference Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Read(text, out ImageReference? reference) is { } problem ? throw new KernelException(problem) { Problem = KernelProblem.InvalidReference } : reference!;
    }

    /// <summary>Reads a reference; false when the text is none.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out ImageReference? reference)
    {
        reference = null;
        return text is not null && Read(text, out reference) is null;
    }

    /// <summary>The image of a distribution.</summary>
    /// <param name="distribution">Distribution and suite, such as <c>debian:trixie</c>, and optionally <c>#RECIPE</c>.</param>
    /// <param name="packages">Packages beyond those of the recipe.</param>
    /// <exception cref="KernelException">There is no such distribution, or a name is malformed.</exception>
    public static ImageReference Distribution(string distribution, params IEnumerable<string> packages)
    {
        ImageReference reference = Parse(distribution);
        if (reference.Source != ImageSource.Distribution)
            throw new KernelException($"The root '{distribution}' is no distribution: write debian:SUITE, such as debian:trixie.") { Problem = KernelProblem.InvalidReference };
        return reference.With(packages);
    }

    /// <summary>The same image with more packages.</summary>
    /// <exception cref="KernelException">It is no distribution's image, or a name is malformed.</exception>
    public ImageReference With(IEnumerable<string> packages)
    {
        string[] more = [.. packages];
        if (more.Length == 0)
            return this;
        if (Source != ImageSource.Distribution)
            throw new KernelException($"{this} cannot be given packages: only the image of a distribution can, such as debian:trixie.") { Problem = KernelProblem.InvalidReference };
        return Parse($"{Scheme}:{Suite}#{Recipe}:{string.Join(',', Packages.Concat(more))}");
    }

    /// <summary>The same image seen from a directory: a relative path is taken from there.</summary>
    /// <param name="directory">An absolute path.</param>
    public ImageReference From(string directory) => Source switch
    {
        ImageSource.File => new ImageReference(Source, Scheme, Path.GetFullPath(Value, directory)),
        ImageSource.Oci => Parse(OciReference.Parse(ToString(), directory).Canonical),
        _ => this,
    };

    /// <summary>The reference in the form that parses back to an equal one.</summary>
    public override string ToString() => $"{Scheme}:{Value}";

    private static string? Read(string text, out ImageReference? reference)
    {
        reference = null;
        if (string.IsNullOrWhiteSpace(text))
            return $"The reference of the root image is empty: {Forms}.";
        if (text.Any(char.IsControl))
            return $"The reference of a root image '{string.Concat(text.Select(c => char.IsControl(c) ? '?' : c))}' has a control character in it: {Forms}.";
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        string scheme = colon > 0 && (slash < 0 || colon < slash) ? text[..colon] : "";
        string value = text[(colon + 1)..];
        switch (scheme)
        {
            case "debian" or "ubuntu":
                return ReadDistribution(text, scheme, value, out reference);
            case "image":
                if (!Name().IsMatch(value))
                    return $"The reference '{text}' has no valid name: names are letters, digits, '.', '-' and '_', such as image:web.";
                reference = new ImageReference(ImageSource.Named, scheme, value);
                return null;
            case "oci" or "docker-archive":
                if (value.Length == 0)
                    return $"The reference '{text}' names no image: write oci:REFERENCE, oci:DIRECTORY or docker-archive:FILE.";
                try
                {
                    OciReference.Parse(text);
                }
                catch (KernelException e)
                {
                    return e.Message;
                }

                reference = new ImageReference(ImageSource.Oci, scheme, value);
                return null;
            case "file":
                if (value.Length == 0)
                    return "The reference 'file:' names no file: write file:PATH.";
                reference = new ImageReference(ImageSource.File, scheme, value.StartsWith("///", StringComparison.Ordinal) ? value[2..] : value);
                return null;
            case "":
                if (slash < 0 && !Path.Exists(text))
                    return $"The root '{text}' is neither a file nor a reference: {Forms}.";
                reference = new ImageReference(ImageSource.File, "file", text);
                return null;
            default:
                if (Path.Exists(text))
                {
                    reference = new ImageReference(ImageSource.File, "file", text);
                    return null;
                }

                return $"The root '{text}' begins with an unknown scheme '{scheme}:': {Forms}.";
        }
    }

    private static string? ReadDistribution(string text, string scheme, string value, out ImageReference? reference)
    {
        reference = null;
        if (DistributionName().Match(value) is not { Success: true } match)
            return $"The root '{text}' is not understood: write {scheme}:SUITE, {scheme}:SUITE#RECIPE or {scheme}:SUITE#RECIPE:PACKAGE,PACKAGE, such as debian:trixie#systemd:nginx-light.";
        string suite = match.Groups["suite"].Value;
        string recipe = match.Groups["recipe"].Value;
        string[] packages = [.. match.Groups["packages"].Value.Split(',', StringSplitOptions.RemoveEmptyEntries).Distinct().Order(StringComparer.Ordinal)];
        if (recipe.Length == 0)
            recipe = DefaultRecipe;
        if (ImageRecipe.Names.Contains(recipe, StringComparer.Ordinal) is false)
            return $"The root '{text}' names an unknown recipe '{recipe}': there are {string.Join(", ", ImageRecipe.Names)}.";
        string rest = packages.Length > 0 ? $"#{recipe}:{string.Join(',', packages)}" : recipe == DefaultRecipe ? "" : "#" + recipe;
        reference = new ImageReference(ImageSource.Distribution, scheme, suite + rest);
        return null;
    }

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", RegexOptions.CultureInvariant)]
    private static partial Regex Name();

    [GeneratedRegex(@"^(?<suite>[a-z][a-z0-9+._-]{0,63})(#(?<recipe>[a-z][a-z0-9-]{0,63})(:(?<packages>[a-z0-9][a-z0-9+.-]*(,[a-z0-9][a-z0-9+.-]*)*))?)?$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex DistributionName();
}
