using System.Runtime.Loader;
using System.Text;
using Xunit;
using Xunit.Runner.Common;
using Xunit.Sdk;

namespace Uml.CI;

/// <summary>
/// Runs a test assembly of xunit v2, which is a library, in this process, and behaves as the program that a test assembly
/// of xunit v3 is: the same arguments, the same messages on standard output.
/// </summary>
public static class XunitV2Program
{
    /// <summary>Does what the arguments say.</summary>
    /// <param name="arguments">The assembly's path, then what xunit's runner passes to a program of v3.</param>
    /// <returns>The exit status: 0, or 2 when it could not be done; failed tests are told by messages.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        const int failed = 2;
        try
        {
            string path = arguments[0];
            var resolver = new AssemblyDependencyResolver(path);
            AssemblyLoadContext.Default.Resolving += (context, name) => resolver.ResolveAssemblyToPath(name) is { } file ? context.LoadFromAssemblyPath(file) : null;

            var project = new XunitProjectAssembly(new XunitProject(), path, AssemblyUtility.GetAssemblyMetadata(path) ?? throw new TestRunException($"{path} cannot be read"));
            TestAssemblyConfiguration configuration = project.Configuration;
            ConfigReader.Load(configuration, path);
            configuration.AppDomain = AppDomainSupport.Denied;
            configuration.ShadowCopy = false;
            (bool list, bool acknowledged) = Read(arguments, configuration);
            configuration.SynchronousMessageReporting = acknowledged;

            await using IFrontController controller = XunitFrontController.Create(project) ?? throw new TestRunException($"xunit's runner does not know how to run {path}");
            using var sink = new LineSink(acknowledged);
            ITestFrameworkDiscoveryOptions discovery = TestFrameworkOptions.ForDiscovery(configuration);
            if (list)
                controller.Find(sink, new FrontControllerFindSettings(discovery, configuration.Filters));
            else
                controller.FindAndRun(sink, new FrontControllerFindAndRunSettings(discovery, TestFrameworkOptions.ForExecution(configuration), configuration.Filters));
            sink.WaitForEnd(list);
            return 0;
        }
        catch (Exception e)
        {
            // Whoever started this program reads its standard error; a crash would add a stack of ours.
            await Console.Error.WriteLineAsync(e is TestRunException ? e.Message : e.ToString());
            return failed;
        }
    }

    private static (bool List, bool Acknowledged) Read(IReadOnlyList<string> arguments, TestAssemblyConfiguration configuration)
    {
        bool list = false, acknowledged = false;
        for (int i = 1; i < arguments.Count; i++)
        {
            string option = arguments[i];
            switch (option)
            {
                case "-automated":
                    break;
                case "sync":
                    acknowledged = true;
                    break;
                case "-stopOnFail":
                    configuration.StopOnFail = true;
                    break;
                case "-list":
                    list = true;
                    i++;
                    break;
                default:
                    AddFilter(configuration.Filters, option, ++i < arguments.Count ? arguments[i] : "");
                    break;
            }
        }

        return (list, acknowledged);
    }

    private static void AddFilter(XunitFilters filters, string option, string value)
    {
        int equals = value.IndexOf('=', StringComparison.Ordinal);
        switch (option)
        {
            case "-filter":
                filters.AddQueryFilter(value);
                break;
            case "-class":
                filters.AddIncludedClassFilter(value);
                break;
            case "-class-":
                filters.AddExcludedClassFilter(value);
                break;
            case "-method":
                filters.AddIncludedMethodFilter(value);
                break;
            case "-method-":
                filters.AddExcludedMethodFilter(value);
                break;
            case "-namespace":
                filters.AddIncludedNamespaceFilter(value);
                break;
            case "-namespace-":
                filters.AddExcludedNamespaceFilter(value);
                break;
            case "-trait":
                filters.AddIncludedTraitFilter(value[..equals], value[(equals + 1)..]);
                break;
            case "-trait-":
                filters.AddExcludedTraitFilter(value[..equals], value[(equals + 1)..]);
                break;
            default:
                throw new TestRunException($"{option} means nothing to tests of xunit v2");
        }
    }

    /// <summary>Writes messages to standard output, one a line.</summary>
    private sealed class LineSink(bool acknowledged) : IMessageSink, IDisposable
    {
        private readonly Lock _lock = new();
        private readonly Stream _output = Console.OpenStandardOutput();
        private readonly StreamReader _input = new(Console.OpenStandardInput());
        private readonly ManualResetEventSlim _found = new();
        private readonly ManualResetEventSlim _ended = new();

        public bool OnMessage(IMessageSinkMessage message)
        {
            if (message is IJsonSerializable serializable && serializable.ToJson() is { } json)
            {
                lock (_lock)
                {
                    _output.Write(Encoding.UTF8.GetBytes(json + "\n"));
                    if (acknowledged)
                        _input.ReadLine();
                }
            }

            if (message is IDiscoveryComplete)
                _found.Set();
            else if (message is ITestAssemblyFinished)
                _ended.Set();
            return true;
        }

        public void WaitForEnd(bool discovery) => (discovery ? _found : _ended).Wait();

        public void Dispose()
        {
            _input.Dispose();
            _found.Dispose();
            _ended.Dispose();
        }
    }
}
