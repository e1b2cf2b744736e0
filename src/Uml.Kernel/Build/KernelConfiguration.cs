using System.Collections.Frozen;

namespace Uml.CI;

/// <summary>A whole configuration: a <c>.config</c>.</summary>
internal sealed class KernelConfiguration
{
    private const string Prefix = "CONFIG_";

    private readonly FrozenDictionary<string, string> _values;

    private KernelConfiguration(FrozenDictionary<string, string> values) => _values = values;

    /// <summary>The value of an option as the file has it: <c>y</c>, <c>m</c>, a number, a text in quotes; <c>n</c> when it is not set.</summary>
    public string this[string option] => _values.GetValueOrDefault(option, "n");

    /// <summary>Whether the file has a value for it.</summary>
    public bool IsSet(string option) => _values.ContainsKey(option);

    /// <summary>Reads the text of a <c>.config</c>.</summary>
    public static KernelConfiguration Parse(string text)
    {
        Dictionary<string, string> values = new(StringComparer.Ordinal);
        foreach (string line in text.Split('\n'))
        {
            int equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0 && line.StartsWith(Prefix, StringComparison.Ordinal))
                values[line[Prefix.Length..equals]] = line[(equals + 1)..];
        }

        return new KernelConfiguration(values.ToFrozenDictionary(StringComparer.Ordinal));
    }
}
