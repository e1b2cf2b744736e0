using System.Collections.Immutable;
using System.Text.Json;

namespace Uml.CI;

/// <summary>Reads an image's JSON documents, trusting nothing in them.</summary>
internal static class OciJson
{
    /// <summary>Parses a document that has to be an object.</summary>
    /// <param name="content">Its bytes.</param>
    /// <param name="what">What it is, for messages: "the manifest".</param>
    public static JsonElement Parse(byte[] content, string what)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(content);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? document.RootElement.Clone()
                : throw new OciFaultException($"{what} is no JSON object");
        }
        catch (JsonException e)
        {
            throw new OciFaultException($"{what} is not valid JSON ({OneLine.Of(e).TrimEnd('.')})", inner: e);
        }
    }

    public static string? Text(JsonElement parent, string name, string what) => Get(parent, name, what, JsonValueKind.String) is { } value ? Text(value, what) : null;

    public static JsonElement? Object(JsonElement parent, string name, string what) => Get(parent, name, what, JsonValueKind.Object);

    public static ImmutableArray<JsonElement> Array(JsonElement parent, string name, string what) =>
        Get(parent, name, what, JsonValueKind.Array) is { } array ? [.. array.EnumerateArray()] : [];

    public static ImmutableArray<string> Texts(JsonElement parent, string name, string what) =>
        [.. Array(parent, name, what).Select(e => e.ValueKind == JsonValueKind.String
            ? Text(e, what)
            : throw new OciFaultException($"{what} is malformed: '{name}' has something other than text in it"))];

    public static OciDigest Digest(string? text, string what) =>
        OciDigest.TryParse(text) ?? throw new OciFaultException(text is null ? $"{what} has no digest" : $"{what} has a malformed digest, {OciFaultException.Quote(text)}");

    public static OciDescriptor Descriptor(JsonElement element, string what)
    {
        if (element.ValueKind != JsonValueKind.Object)
            throw new OciFaultException($"{what} is malformed: it is no JSON object");
        string type = Text(element, "mediaType", what) ?? throw new OciFaultException($"{what} has no media type");
        OciDigest digest = Digest(Text(element, "digest", what), what);
        if (Get(element, "size", what, JsonValueKind.Number) is not { } number || !number.TryGetInt64(out long size) || size < 0)
            throw new OciFaultException($"{what} ({digest.Short}) has no valid size");
        string? platform = null;
        if (Object(element, "platform", what) is { } of)
        {
            platform = $"{Text(of, "os", what)}/{Text(of, "architecture", what)}";
            if (Text(of, "variant", what) is { Length: > 0 } variant)
                platform += "/" + variant;
        }

        string? name = Object(element, "annotations", what) is { } annotations ? Text(annotations, "org.opencontainers.image.ref.name", what) : null;
        return new OciDescriptor(type, digest, size) { Platform = platform, RefName = name };
    }

    private static JsonElement? Get(JsonElement parent, string name, string what, JsonValueKind kind)
    {
        if (!parent.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            return null;
        return value.ValueKind == kind ? value : throw new OciFaultException($"{what} is malformed: '{name}' is not what it has to be");
    }

    private static string Text(JsonElement value, string what)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            // Half a pair of surrogates, escaped.
            throw new OciFaultException($"{what} is malformed: it has text in it that is not Unicode", inner: e);
        }
    }
}
