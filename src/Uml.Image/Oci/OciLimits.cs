using System.Globalization;

namespace Uml.CI;

/// <summary>
/// How large an image may be before it is refused. A registry says how large its layers are packed, and nobody how large
/// they are unpacked: ten megabytes can hold ten gigabytes of zeros.
/// </summary>
internal sealed record OciLimits
{
    /// <summary>The environment variable with the largest image, such as "16G".</summary>
    public const string Variable = "UML_OCI_MAX_SIZE";

    /// <summary>Bytes of all layers together, packed as well as unpacked.</summary>
    public long MaxBytes { get; init; } = 8L << 30;

    /// <summary>Entries of all layers together.</summary>
    public int MaxEntries { get; init; } = 1_000_000;

    /// <summary>Bytes of a manifest, an index or a configuration. Registries take no larger ones than 4 MiB.</summary>
    public int MaxDocument { get; init; } = 4 << 20;

    public int MaxLayers { get; init; } = 512;

    /// <summary>Bytes that stay free on the store's file system.</summary>
    public long MinFree { get; init; } = 256 << 20;

    /// <exception cref="KernelException">The variable makes no sense.</exception>
    public static OciLimits From(HostTools host)
    {
        if (host.Variable(Variable) is not { Length: > 0 } text)
            return new OciLimits();
        int shift = text[^1] switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => 0 };
        return long.TryParse(shift == 0 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            && number > 0 && number <= long.MaxValue >> (shift + 1)
            ? new OciLimits { MaxBytes = number << shift }
            : throw new KernelException($"{Variable} is {OciFaultException.Quote(text)}, which is no size; write a number and K, M, G or T, such as 16G.") { Problem = KernelProblem.InvalidReference };
    }
}
