using System.Globalization;
using Xunit.Runner.Common;
using Xunit.Runner.v3;
using Xunit.Sdk;
using Xunit.v3;

namespace Uml.CI;

/// <summary>Starts test programs in a guest where xunit's runner would start processes of the host.</summary>
/// <param name="guest">The guest; its root holds the assembly at the path it has on the host.</param>
/// <param name="assembly">The assembly.</param>
/// <param name="timeout">How long a program may take.</param>
/// <param name="sink">Told each message of the test framework.</param>
/// <param name="own">Told each line that is the program's own.</param>
/// <param name="cancellationToken">Ends programs.</param>
internal sealed class GuestTestLauncher(Guest guest, TestAssembly assembly, TimeSpan? timeout, IMessageSink sink, Action<string> own, CancellationToken cancellationToken)
    : ITestProcessLauncher, ITestProcessDirectLauncher
{
    /// <summary>The program that was started last.</summary>
    public GuestTestProcess? Process { get; private set; }

    /// <inheritdoc/>
    public ITestProcess Launch(XunitProjectAssembly projectAssembly, IReadOnlyList<string> arguments)
    {
        var options = new ExecOptions([.. assembly.Command, .. arguments])
        {
            Environment = TestEnvironment.InGuest(guest.Options.Environment),
            RedirectStandardInput = true,
            Timeout = timeout,
        };
        // xunit's interface knows no tasks; its caller has a thread for it.
        GuestProcess process = guest.StartProcessAsync(options, cancellationToken).GetAwaiter().GetResult();
        return Process = new GuestTestProcess(process, cancellationToken);
    }

    /// <summary>What the assembly itself says; no program needs to run for that.</summary>
    public TestAssemblyInfo GetAssemblyInfo(XunitProjectAssembly projectAssembly) => new(
        assembly.CoreVersion,
        assembly.CoreVersion.ToString(3),
        string.Create(CultureInfo.InvariantCulture, $".NETCoreApp,Version=v{assembly.Metadata.TargetFrameworkVersion}"),
        $"xUnit.net v3 {assembly.CoreVersion.ToString(3)}");

    /// <inheritdoc/>
    public ITestProcessBase Find(XunitProjectAssembly projectAssembly, TestAssemblyInfo assemblyInfo, IMessageSink messageSink, IMessageSink? diagnosticMessageSink, ISourceInformationProvider? sourceInformationProvider) =>
        Start(projectAssembly, Xunit3ArgumentFactory.ForFindInProcess(assemblyInfo.CoreFramework, projectAssembly, ListOption.Discovery));

    /// <inheritdoc/>
    public ITestProcessBase Run(XunitProjectAssembly projectAssembly, TestAssemblyInfo assemblyInfo, IMessageSink messageSink, IMessageSink? diagnosticMessageSink, ISourceInformationProvider? sourceInformationProvider) =>
        Start(projectAssembly, Xunit3ArgumentFactory.ForRunInProcess(assemblyInfo.CoreFramework, projectAssembly));

    private ITestProcess Start(XunitProjectAssembly projectAssembly, List<string> arguments)
    {
        ITestProcess process = Launch(projectAssembly, arguments);
        Process!.Pump(sink, own, projectAssembly.Configuration.SynchronousMessageReportingOrDefault);
        return process;
    }
}
