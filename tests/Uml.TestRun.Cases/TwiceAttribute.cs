using System.Runtime.CompilerServices;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

namespace Demo;

/// <summary>A test that its discoverer finds twice, with one identifier.</summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer(typeof(TwiceDiscoverer))]
public sealed class TwiceAttribute([CallerFilePath] string? file = null, [CallerLineNumber] int line = -1) : FactAttribute(file, line);

/// <summary>Finds it.</summary>
public sealed class TwiceDiscoverer : FactDiscoverer
{
    /// <inheritdoc/>
    public override async ValueTask<IReadOnlyCollection<IXunitTestCase>> Discover(ITestFrameworkDiscoveryOptions discoveryOptions, IXunitTestMethod testMethod, IFactAttribute factAttribute) =>
        [.. await base.Discover(discoveryOptions, testMethod, factAttribute), .. await base.Discover(discoveryOptions, testMethod, factAttribute)];
}
