using System.Runtime.InteropServices;

namespace Uml.CI;

/// <summary>What this library asks the machine: environment variables, and through PATH the programs. Tests give their own.</summary>
internal sealed record HostTools
{
    /// <summary>What else a user can do who wanted a kernel.</summary>
    public const string Alternative = "name a kernel executable with file:PATH";

    public static HostTools Default { get; } = new();

    public Func<string, string?> Variable { get; init; } = Environment.GetEnvironmentVariable;

    /// <summary>Lines added to the private apt configuration.</summary>
    public string AptConfiguration { get; init; } = "";

    /// <summary>Where .NET is installed; null to look for it.</summary>
    public IReadOnlyList<string>? DotNetRoots { get; init; }

    public bool IsX64 { get; init; } = RuntimeInformation.OSArchitecture == Architecture.X64;

    /// <summary>Finds a program or says which package has it.</summary>
    public string Find(string program, string package, string reference, string alternative = Alternative) =>
        ExternalProgram.Find(program, Variable("PATH"))
        ?? throw new KernelException(
            $"{reference} cannot be fetched: the program {program} is not installed; install the package '{package}', or {alternative}.")
        { Problem = KernelProblem.Unavailable };
}
