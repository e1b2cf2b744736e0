namespace Uml.CI.Cli;

/// <summary>Why a guest that was kept is no more, when nobody had asked for its end.</summary>
/// <param name="Reason">One word, such as an outcome's name.</param>
/// <param name="Error">One line.</param>
/// <param name="Detail">What there is to know beyond that.</param>
internal sealed record SessionEnd(string Reason, string Error, string Detail = "");
