using System.Security.Cryptography;

namespace Uml.CI.Cli;

/// <summary>
/// Keeps the runner from taking lines of a guest for commands. Between begin and end nothing is a command but a word that is
/// made anew each time and that the guest has no way to learn: it is printed on the host, and nowhere else.
/// </summary>
internal sealed class OutputFence : IDisposable
{
    private readonly string _token = RandomNumberGenerator.GetHexString(32, lowercase: true);
    private readonly Descriptor _output;

    public OutputFence(Descriptor output)
    {
        _output = output;
        output.WriteLine(WorkflowCommands.Stop(_token));
    }

    /// <summary>Lets the runner listen again, from a line of its own on.</summary>
    /// <remarks>Standard error may go to the same place.</remarks>
    public void Dispose() => _output.WriteLine((_output.IsAtLineStart && Descriptor.Error.IsAtLineStart ? "" : "\n") + WorkflowCommands.Resume(_token));
}
