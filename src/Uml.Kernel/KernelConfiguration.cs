using System.Collections.Immutable;
using System.IO.Compression;

namespace Uml.CI;

/// <summary>The configuration a kernel was built with.</summary>
public sealed class KernelConfiguration
{
    private const string Prefix = "CONFIG_";

    private readonly ImmutableSortedDictionary<string, string> _options;

    private KernelConfiguration(ImmutableSortedDictionary<string, string> options) => _options = options;

    /// <summary>The options that are set, with their values as <c>.config</c> has them: <c>y</c>, <c>m</c>, a number, a quoted string.</summary>
    public IReadOnlyDictionary<string, string> Options => _options;

    /// <summary>Reads the text of a <c>.config</c>; lines that are none of it are passed over.</summary>
    public static KernelConfiguration Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        ImmutableSortedDictionary<string, string>.Builder options = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            int equals = line.IndexOf('=');
            if (equals > 0 && line.StartsWith(Prefix, StringComparison.Ordinal))
                options[line[..equals].ToString()] = line[(equals + 1)..].Trim().ToString();
        }

        return new KernelConfiguration(options.ToImmutable());
    }

    /// <summary>
    /// The configuration of a kernel: from the file <c>config</c> beside its executable, else from the executable itself, which
    /// holds it where it was built with CONFIG_IKCONFIG (kernel/configs.c). Null where it is in neither.
    /// </summary>
    /// <param name="executable">The kernel executable.</param>
    public static KernelConfiguration? Find(string executable)
    {
        ArgumentNullException.ThrowIfNull(executable);
        string file = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(executable))!, "config");
        return Parse(File.Exists(file) ? File.ReadAllText(file) : Embedded(executable)) is { _options.Count: > 0 } found ? found : null;
    }

    /// <summary>What an option is set to, or null when it is not set.</summary>
    /// <param name="option">With or without <c>CONFIG_</c>, in any case.</param>
    public string? this[string option]
    {
        get
        {
            ArgumentNullException.ThrowIfNull(option);
            return _options.GetValueOrDefault(NameOf(option));
        }
    }

    /// <summary>What an option is set to, and <c>n</c> when it is not, as Kconfig's expressions see it.</summary>
    internal string ValueOf(string option) => this[option] ?? "n";

    /// <summary>The option's name with its prefix: <c>CONFIG_KASAN</c> for <c>KASAN</c>.</summary>
    /// <param name="option">With or without <c>CONFIG_</c>.</param>
    public static string NameOf(string option)
    {
        ArgumentNullException.ThrowIfNull(option);
        string name = option.Trim();
        return name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) ? name : Prefix + name;
    }

    private static string Embedded(string executable)
    {
        byte[] image = File.ReadAllBytes(executable);
        int at = image.AsSpan().IndexOf("IKCFG_ST"u8);
        while (at >= 0)
        {
            int data = at + "IKCFG_ST".Length;
            if (image.AsSpan(data).StartsWith((ReadOnlySpan<byte>)[0x1f, 0x8b]))
            {
                try
                {
                    using GZipStream unzipped = new(new MemoryStream(image, data, image.Length - data), CompressionMode.Decompress);
                    using StreamReader reader = new(unzipped);
                    return reader.ReadToEnd();
                }
                catch (InvalidDataException)
                {
                    return "";
                }
            }

            int next = image.AsSpan(data).IndexOf("IKCFG_ST"u8);
            at = next < 0 ? -1 : data + next;
        }

        return "";
    }
}
