namespace Uml.CI.Cli;

/// <summary>A guest to keep.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Run">Kernel, root and all else that describes it.</param>
/// <param name="IdleTimeout">How long it is kept while no command runs in it.</param>
/// <param name="Lifetime">How long it is kept at most.</param>
internal sealed record KeepRequest(string Name, RunRequest Run, TimeSpan IdleTimeout, TimeSpan Lifetime);
