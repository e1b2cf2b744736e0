using System.Reflection;
using Xunit.Sdk;
using Xunit.v3;

namespace Uml.CI.TestHost;

/// <summary>
/// xunit's own framework, which also puts the last lines of kernel log and transcript behind the message of a failed test:
/// <c>[assembly: TestFramework(typeof(GuestTestFramework))]</c>. Without it they come as a second exception of the same test, unless
/// the test is a <see cref="KernelFactAttribute"/> or <see cref="KernelTheoryAttribute"/>.
/// </summary>
public sealed class GuestTestFramework : XunitTestFramework
{
    private readonly string? _configFileName;

    /// <summary>Creates the framework.</summary>
    public GuestTestFramework()
        : this(configFileName: null)
    {
    }

    /// <summary>Creates the framework.</summary>
    /// <param name="configFileName">xunit's configuration file, if the project has one.</param>
    public GuestTestFramework(string? configFileName)
        : base(configFileName) => _configFileName = configFileName;

    /// <inheritdoc/>
    protected override ITestFrameworkExecutor CreateExecutor(Assembly assembly) =>
        new Executor(new XunitTestAssembly(assembly, _configFileName, assembly.GetName().Version));

    private sealed class Executor(IXunitTestAssembly assembly) : XunitTestFrameworkExecutor(assembly)
    {
        public override ValueTask RunTestCases(IReadOnlyCollection<IXunitTestCase> testCases, IMessageSink executionMessageSink, ITestFrameworkExecutionOptions executionOptions, CancellationToken cancellationToken)
        {
            FailureMessage.SeeAll();
            return base.RunTestCases(testCases, new Sink(executionMessageSink), executionOptions, cancellationToken);
        }
    }

    private sealed class Sink(IMessageSink next) : IMessageSink
    {
        public bool OnMessage(IMessageSinkMessage message)
        {
            FailureMessage.Complete(message);
            return next.OnMessage(message);
        }
    }
}
