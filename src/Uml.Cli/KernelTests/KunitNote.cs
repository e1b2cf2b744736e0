using System.Text.Json.Serialization;

namespace Uml.CI.Cli;

/// <summary>kunit/KEY.json in the store: the kernel that was last built of a source with certain fragments.</summary>
internal sealed record KunitNote
{
    /// <summary>The source.</summary>
    public required string Source { get; init; }

    /// <summary>The kernel's executable.</summary>
    public required string Kernel { get; init; }
}

/// <summary>How it is written.</summary>
[JsonSerializable(typeof(KunitNote))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class KunitNoteJson : JsonSerializerContext;
