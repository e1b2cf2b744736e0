using System.Runtime.InteropServices;

namespace Uml.CI.Cli;

/// <summary>The caller's terminal while a terminal in the guest has taken its place: every key goes there.</summary>
internal sealed class RawTerminal : IDisposable
{
    private const int Input = 0;
    private static readonly TerminalSize Default = new(80, 24);

    private readonly byte[] _settings;
    private int _restored;

    private RawTerminal(byte[] settings)
    {
        _settings = settings;
        // Whatever ends this process in an orderly way, the user's terminal works afterwards.
        AppDomain.CurrentDomain.ProcessExit += OnExit;
        AppDomain.CurrentDomain.UnhandledException += OnExit;
        Native.MakeRaw(Input, settings);
        IsActive = true;
    }

    /// <summary>Whether a line feed needs a carriage return.</summary>
    public static bool IsActive { get; private set; }

    /// <summary>The size of the caller's terminal, or the usual one.</summary>
    public static TerminalSize Size => Native.SizeOf(1) ?? Native.SizeOf(Input) ?? Native.SizeOf(2) ?? Default;

    /// <summary>Makes the terminal raw; null if standard input is none.</summary>
    public static RawTerminal? Enter() => Native.Settings(Input) is { } settings ? new RawTerminal(settings) : null;

    /// <summary>Hands every change of the terminal's size on.</summary>
    public static IDisposable FollowSize(ICommandProcess process) =>
        PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => process.Resize(Size));

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _restored, 1) != 0)
            return;
        Native.Restore(Input, _settings);
        IsActive = false;
        AppDomain.CurrentDomain.ProcessExit -= OnExit;
        AppDomain.CurrentDomain.UnhandledException -= OnExit;
    }

    private void OnExit(object? sender, EventArgs e) => Dispose();
}

/// <summary>Recognises the way out of a guest that does not answer: Ctrl-] three times within a second, as systemd-nspawn has it.</summary>
internal sealed class EscapeSequence(TimeProvider clock)
{
    private const byte Key = 0x1d;
    private const int Needed = 3;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    private int _seen;
    private long _first;

    /// <summary>Looks at what was typed; true when the sequence is complete.</summary>
    public bool Completes(ReadOnlySpan<byte> typed)
    {
        foreach (byte b in typed)
        {
            if (b != Key || _seen > 0 && clock.GetElapsedTime(_first) > Limit)
                _seen = 0;
            if (b != Key)
                continue;
            if (_seen++ == 0)
                _first = clock.GetTimestamp();
            if (_seen == Needed)
                return true;
        }

        return false;
    }
}
