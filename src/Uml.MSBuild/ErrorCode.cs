using System.Reflection;

namespace Uml.CI.MSBuild;

/// <summary>The codes of the errors that tasks log. docs/dotnet.md has what to do about each.</summary>
internal static class ErrorCode
{
    public const string GuestUnavailable = "UML0001";
    public const string BootFailed = "UML0002";
    public const string GuestLost = "UML0003";
    public const string TimedOut = "UML0004";
    public const string CommandFailed = "UML0005";
    public const string CommandNotStarted = "UML0006";
    public const string BadParameter = "UML0007";
    public const string KernelUnavailable = "UML0008";
    public const string BadItem = "UML0009";
    public const string BadLockFile = "UML0010";
    public const string KernelNotice = "UML0011";
    public const string ImageUnavailable = "UML0012";

    private static readonly string Document =
        typeof(ErrorCode).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(a => a.Key == "ErrorDocument")?.Value ?? "docs/dotnet.md";

    /// <summary>Where the documentation has the code.</summary>
    public static string HelpLink(string code) => $"{Document}#{code.ToLowerInvariant()}";
}
