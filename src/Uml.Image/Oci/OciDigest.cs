using System.Security.Cryptography;

namespace Uml.CI;

/// <summary>The name of a blob by its content: "sha256:..." or "sha512:...", the two algorithms the specification registers.</summary>
internal readonly record struct OciDigest
{
    private OciDigest(string algorithm, string hex) => (Algorithm, Hex) = (algorithm, hex);

    public string Algorithm { get; }

    public string Hex { get; }

    /// <summary>Long enough to find it again, short enough to read.</summary>
    public string Short => $"{Algorithm}:{Hex[..12]}";

    public static OciDigest? TryParse(string? text)
    {
        int colon = text?.IndexOf(':', StringComparison.Ordinal) ?? -1;
        if (colon < 0)
            return null;
        string algorithm = text![..colon];
        string hex = text[(colon + 1)..];
        int length = algorithm switch { "sha256" => 64, "sha512" => 128, _ => -1 };
        // In lower case only: a digest is also a file's name.
        return hex.Length == length && hex.All(char.IsAsciiHexDigitLower) ? new OciDigest(algorithm, hex) : null;
    }

    public static OciDigest Sha256(ReadOnlySpan<byte> content) => new("sha256", Convert.ToHexStringLower(SHA256.HashData(content)));

    public IncrementalHash CreateHash() => IncrementalHash.CreateHash(Algorithm == "sha512" ? HashAlgorithmName.SHA512 : HashAlgorithmName.SHA256);

    public bool IsOf(ReadOnlySpan<byte> content)
    {
        using IncrementalHash hash = CreateHash();
        hash.AppendData(content);
        return IsResultOf(hash);
    }

    public bool IsResultOf(IncrementalHash hash) => Convert.ToHexStringLower(hash.GetHashAndReset()) == Hex;

    public override string ToString() => $"{Algorithm}:{Hex}";
}
