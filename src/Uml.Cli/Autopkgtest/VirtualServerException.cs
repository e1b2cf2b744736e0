namespace Uml.CI.Cli;

/// <summary>The server cannot go on; it says why and ends.</summary>
internal sealed class VirtualServerException(string message) : Exception(message);
