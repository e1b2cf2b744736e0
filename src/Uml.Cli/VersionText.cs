using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;

namespace Uml.CI.Cli;

/// <summary><c>uml --version</c>: the tool, its default kernel and its agent.</summary>
internal sealed class VersionText : SynchronousCommandLineAction
{
    /// <summary>The tool's version.</summary>
    public static string Version { get; } =
        (typeof(VersionText).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "?").Split('+')[0];

    public static Option CreateOption() => new Option<bool>("--version") { Description = "Show the version, the default kernel and whether the agent is there", Action = new VersionText(), Arity = ArgumentArity.Zero };

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        Descriptor.Output.Write($"uml {Version}\ndefault kernel: {Kernel()}\nagent: {Agent()}\n");
        return 0;
    }

    private static string Kernel()
    {
        try
        {
            KernelReference reference = new GuestOptions().Kernel;
            return new KernelStore().Find(reference) is { } kernel ? $"{reference} ({kernel.Release})" : $"{reference} (not in the store yet)";
        }
        catch (KernelException e)
        {
            return e.Message;
        }
    }

    private static string Agent()
    {
        try
        {
            return AgentBinary.Find();
        }
        catch (GuestUnavailableException e)
        {
            return e.Message;
        }
    }
}
