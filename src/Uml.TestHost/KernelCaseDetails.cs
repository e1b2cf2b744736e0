using Xunit.v3;

namespace Uml.CI.TestHost;

/// <summary>What xunit worked out about a test, and what a kernel makes of it.</summary>
internal sealed record KernelCaseDetails(
    string DisplayName,
    bool Explicit,
    Type[]? SkipExceptions,
    string? SkipReason,
    Type? SkipType,
    string? SkipUnless,
    string? SkipWhen,
    string? File,
    int? Line,
    int Timeout,
    string UniqueId,
    IXunitTestMethod Method)
{
    /// <summary>The trait that names the kernel.</summary>
    public const string Trait = "Kernel";

    public string Name(string? kernel) => kernel is null ? DisplayName : $"{DisplayName} [{kernel}]";

    public string Id(string? kernel) => kernel is null ? UniqueId : $"{UniqueId}[{kernel}]";

    public static Dictionary<string, HashSet<string>> Traits(Dictionary<string, HashSet<string>> traits, string? kernel)
    {
        var all = traits.ToDictionary(t => t.Key, t => new HashSet<string>(t.Value, t.Value.Comparer), StringComparer.OrdinalIgnoreCase);
        if (kernel is not null)
            all[Trait] = [kernel];
        return all;
    }
}
