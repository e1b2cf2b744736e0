using System.Text.Json.Serialization;

namespace Uml.CI.Cli;

/// <summary>Kept guests' files and messages as JSON, without reflection: a command in a kept guest should start at once.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = false)]
[JsonSerializable(typeof(SessionRecord))]
[JsonSerializable(typeof(SessionEnd))]
[JsonSerializable(typeof(SessionRequest))]
[JsonSerializable(typeof(SessionReply))]
internal sealed partial class SessionJson : JsonSerializerContext;
