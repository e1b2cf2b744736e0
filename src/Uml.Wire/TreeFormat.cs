namespace Uml.CI.Wire;

/// <summary>The format in which file trees travel between host and guest.</summary>
public static class TreeFormat
{
}
