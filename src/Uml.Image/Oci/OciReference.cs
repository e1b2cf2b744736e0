using System.Net;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>Where an image comes from.</summary>
internal enum OciSourceKind
{
    /// <summary>A registry, over the distribution protocol.</summary>
    Registry,

    /// <summary>A directory in the OCI image layout.</summary>
    Layout,

    /// <summary>A file written by <c>docker save</c>.</summary>
    DockerArchive,
}

/// <summary>
/// An image's name: <c>oci:HOST[:PORT]/NAME[:TAG][@DIGEST]</c>, <c>oci:DIRECTORY[:TAG]</c> or <c>docker-archive:FILE[:TAG]</c>.
/// What starts with <c>/</c>, <c>./</c> or <c>../</c>, or names a directory with an <c>oci-layout</c> in it, is a directory.
/// A registry is spoken to over HTTPS, one on the loopback interface over HTTP; <c>oci:http://HOST/...</c> and
/// <c>oci:https://HOST/...</c> say it outright.
/// </summary>
internal sealed partial record OciReference
{
    public const string OciPrefix = "oci:";

    public const string DockerArchivePrefix = "docker-archive:";

    private OciReference(OciSourceKind kind, string text) => (Kind, Text) = (kind, text);

    public OciSourceKind Kind { get; }

    /// <summary>Registry: scheme, host and port.</summary>
    public Uri? Registry { get; private init; }

    /// <summary>Registry: the image's name there.</summary>
    public string Repository { get; private init; } = "";

    /// <summary>Directory or file: its full path.</summary>
    public string Path { get; private init; } = "";

    public string? Tag { get; private init; }

    public OciDigest? Digest { get; private init; }

    /// <summary>The reference with the path in it, if it has one, made absolute.</summary>
    public string Canonical => Kind == OciSourceKind.Registry ? Text : (Kind == OciSourceKind.Layout ? OciPrefix : DockerArchivePrefix) + Path + (Tag is null ? "" : ":" + Tag);

    private string Text { get; }

    /// <summary>Whether a root's name is one of an OCI image, right or wrong.</summary>
    public static bool IsOne(string text) =>
        text.StartsWith(OciPrefix, StringComparison.Ordinal) || text.StartsWith(DockerArchivePrefix, StringComparison.Ordinal);

    /// <exception cref="KernelException">It makes no sense.</exception>
    public static OciReference Parse(string text) => Parse(text, Directory.GetCurrentDirectory());

    /// <summary>The same seen from a directory: a relative path is taken from there.</summary>
    public static OciReference Parse(string text, string directory)
    {
        if (text.StartsWith(DockerArchivePrefix, StringComparison.Ordinal))
            return ParsePath(OciSourceKind.DockerArchive, text, text[DockerArchivePrefix.Length..], directory, System.IO.File.Exists);
        if (!text.StartsWith(OciPrefix, StringComparison.Ordinal))
            throw Senseless(text, "starts neither with oci: nor with docker-archive:", "write oci:HOST/NAME:TAG, oci:DIRECTORY or docker-archive:FILE");
        string value = text[OciPrefix.Length..];
        bool isPath = value is "." or ".." || value.StartsWith('/') || value.StartsWith("./", StringComparison.Ordinal) || value.StartsWith("../", StringComparison.Ordinal);
        return isPath || IsLayout(value, directory) || IsLayout(WithoutTag(value).Path, directory)
            ? ParsePath(OciSourceKind.Layout, text, value, directory, Directory.Exists)
            : ParseRegistry(text, value);
    }

    public override string ToString() => Text;

    private static bool IsLayout(string path, string directory) => path.Length > 0 && System.IO.File.Exists(System.IO.Path.Combine(directory, path, "oci-layout"));

    private static OciReference ParsePath(OciSourceKind kind, string text, string value, string directory, Func<string, bool> exists)
    {
        if (value.Length == 0 || value.Contains('\0', StringComparison.Ordinal))
            throw Senseless(text, "names no " + (kind == OciSourceKind.Layout ? "directory" : "file"), $"write {(kind == OciSourceKind.Layout ? "oci:DIRECTORY[:TAG]" : "docker-archive:FILE[:TAG]")}");
        // Paths may have colons in them, and so may the names in what docker save writes: what is there decides.
        if (exists(System.IO.Path.GetFullPath(value, directory)))
            return new OciReference(kind, text) { Path = System.IO.Path.GetFullPath(value, directory) };
        for (int colon = value.IndexOf(':', StringComparison.Ordinal); colon > 0; colon = value.IndexOf(':', colon + 1))
        {
            if (colon < value.Length - 1 && exists(System.IO.Path.GetFullPath(value[..colon], directory)))
                return new OciReference(kind, text) { Path = System.IO.Path.GetFullPath(value[..colon], directory), Tag = value[(colon + 1)..] };
        }

        (string path, string? tag) = WithoutTag(value);
        return new OciReference(kind, text) { Path = System.IO.Path.GetFullPath(path, directory), Tag = tag };
    }

    private static (string Path, string? Tag) WithoutTag(string value)
    {
        int colon = value.LastIndexOf(':');
        return colon > 0 && colon < value.Length - 1 && colon > value.LastIndexOf('/') ? (value[..colon], value[(colon + 1)..]) : (value, null);
    }

    private static OciReference ParseRegistry(string text, string value)
    {
        string? scheme = null;
        foreach (string one in (string[])["http", "https"])
        {
            if (!value.StartsWith(one + "://", StringComparison.Ordinal))
                continue;
            scheme = one;
            value = value[(one.Length + 3)..];
        }

        int at = value.IndexOf('@', StringComparison.Ordinal);
        OciDigest? digest = null;
        if (at >= 0)
        {
            digest = OciDigest.TryParse(value[(at + 1)..]) ?? throw Senseless(text, "has a digest that is none", "write @sha256: and 64 digits in lower case");
            value = value[..at];
        }

        int slash = value.IndexOf('/', StringComparison.Ordinal);
        string host = slash < 0 ? "" : value[..slash];
        if (scheme is null && host != "localhost" && !host.Contains('.', StringComparison.Ordinal) && !host.Contains(':', StringComparison.Ordinal))
            throw Senseless(text, "names neither a directory in the OCI layout nor a registry", "write oci:HOST/NAME:TAG, with the registry's host in front, or oci:./DIRECTORY");
        (string repository, string? tag) = WithoutTag(value[(slash + 1)..]);
        if (slash < 0 || repository.Length > 255 || !RepositoryName().IsMatch(repository))
            throw Senseless(text, "has no valid name of an image after the registry", "names are of small letters, digits and . _ - /");
        if (tag is not null && !TagName().IsMatch(tag))
            throw Senseless(text, "has no valid tag", "tags are of letters, digits and . _ -");
        if (!Uri.TryCreate($"https://{host}/", UriKind.Absolute, out Uri? address) || !HostName().IsMatch(host))
            throw Senseless(text, "has no valid host of a registry", "write HOST or HOST:PORT");
        scheme ??= IsLoopback(address) ? "http" : "https";
        return new OciReference(OciSourceKind.Registry, text)
        {
            Registry = new Uri($"{scheme}://{host}/"),
            Repository = repository,
            Tag = tag ?? (digest is null ? "latest" : null),
            Digest = digest,
        };
    }

    /// <summary>The address cannot leave this machine.</summary>
    public static bool IsLoopback(Uri address) =>
        address.IdnHost == "localhost" || (IPAddress.TryParse(address.Host.Trim('[', ']'), out IPAddress? ip) && IPAddress.IsLoopback(ip));

    private static KernelException Senseless(string text, string what, string remedy) =>
        new($"{OciFaultException.Quote(text)} cannot be used: it {what}; {remedy}.") { Problem = KernelProblem.InvalidReference };

    [GeneratedRegex(@"\A[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex RepositoryName();

    [GeneratedRegex(@"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex TagName();

    [GeneratedRegex(@"\A(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex HostName();
}
