using Xunit;
using Xunit.Sdk;
using Xunit.v3;

namespace Uml.CI.TestHost;

/// <summary>Makes a case for each kernel of a <see cref="KernelFactAttribute"/>.</summary>
public sealed class KernelFactDiscoverer : FactDiscoverer
{
    /// <inheritdoc/>
    public override async ValueTask<IReadOnlyCollection<IXunitTestCase>> Discover(ITestFrameworkDiscoveryOptions discoveryOptions, IXunitTestMethod testMethod, IFactAttribute factAttribute)
    {
        // xunit's own case has what is wrong with the method, if anything is.
        IReadOnlyCollection<IXunitTestCase> cases = await base.Discover(discoveryOptions, testMethod, factAttribute);
        if (cases.Any(c => c is not XunitTestCase))
            return cases;
        KernelCaseDetails details = KernelCases.Details(TestIntrospectionHelper.GetTestCaseDetails(discoveryOptions, testMethod, factAttribute));
        return KernelCases.ForEach(testMethod, factAttribute, kernel => new KernelTestCase(details, kernel, TestIntrospectionHelper.GetTraits(testMethod, null)));
    }
}

/// <summary>Makes a case for each row and kernel of a <see cref="KernelTheoryAttribute"/>.</summary>
public sealed class KernelTheoryDiscoverer : TheoryDiscoverer
{
    /// <inheritdoc/>
    protected override ValueTask<IReadOnlyCollection<IXunitTestCase>> CreateTestCasesForDataRow(ITestFrameworkDiscoveryOptions discoveryOptions, IXunitTestMethod testMethod, ITheoryAttribute theoryAttribute, ITheoryDataRow dataRow, object?[] testMethodArguments)
    {
        KernelCaseDetails details = KernelCases.Details(TestIntrospectionHelper.GetTestCaseDetailsForTheoryDataRow(discoveryOptions, testMethod, theoryAttribute, dataRow, testMethodArguments));
        return new(KernelCases.ForEach(testMethod, theoryAttribute, kernel => new KernelTestCase(details, kernel, TestIntrospectionHelper.GetTraits(testMethod, dataRow), testMethodArguments)));
    }

    /// <inheritdoc/>
    protected override ValueTask<IReadOnlyCollection<IXunitTestCase>> CreateTestCasesForTheory(ITestFrameworkDiscoveryOptions discoveryOptions, IXunitTestMethod testMethod, ITheoryAttribute theoryAttribute)
    {
        KernelCaseDetails details = KernelCases.Details(TestIntrospectionHelper.GetTestCaseDetails(discoveryOptions, testMethod, theoryAttribute));
        return new(KernelCases.ForEach(testMethod, theoryAttribute, kernel => new KernelTheoryTestCase(details, kernel, theoryAttribute.SkipTestWithoutData, TestIntrospectionHelper.GetTraits(testMethod, null))));
    }
}

/// <summary>What both have in common.</summary>
internal static class KernelCases
{
    public static KernelCaseDetails Details((string TestCaseDisplayName, bool Explicit, Type[]? SkipExceptions, string? SkipReason, Type? SkipType, string? SkipUnless, string? SkipWhen, string? SourceFilePath, int? SourceLineNumber, int Timeout, string UniqueID, IXunitTestMethod ResolvedTestMethod) d) =>
        new(d.TestCaseDisplayName, d.Explicit, d.SkipExceptions, d.SkipReason, d.SkipType, d.SkipUnless, d.SkipWhen, d.SourceFilePath, d.SourceLineNumber, d.Timeout, d.UniqueID, d.ResolvedTestMethod);

    /// <summary>One case for each kernel.</summary>
    public static IReadOnlyCollection<IXunitTestCase> ForEach(IXunitTestMethod method, IFactAttribute attribute, Func<string?, IXunitTestCase> create)
    {
        IReadOnlyList<string> kernels = ((IKernelsOfTest)attribute).Kernels;
        if (kernels.Count == 0)
            kernels = KernelsAttribute.Of(method)?.Kernels ?? [];
        return kernels.Count == 0 ? [create(null)] : [.. kernels.Distinct(StringComparer.Ordinal).Select(create)];
    }
}
