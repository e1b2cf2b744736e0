namespace Uml.CI.TestHost;

/// <summary>A test's use of a guest: from where on what the guest said belongs to the test.</summary>
internal sealed class GuestUse
{
    private readonly int _firstLine;
    private readonly GuestTranscript _transcript;
    private readonly int _firstCommand;

    /// <summary>Begins a use.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="isOwn">Whether nobody else uses it.</param>
    public GuestUse(Guest guest, bool isOwn = false)
    {
        Guest = guest;
        IsOwn = isOwn;
        _firstLine = guest.KernelLog.Lines.Count;
        FirstComplaint = guest.KernelLog.Complaints.Length;
        _transcript = guest.Transcript ??= new GuestTranscript();
        _firstCommand = _transcript.Count;
    }

    public Guest Guest { get; }

    public bool IsOwn { get; }

    /// <summary>How many complaints of the kernel were there before.</summary>
    public int FirstComplaint { get; }

    /// <summary>The lines of the kernel log since.</summary>
    public IEnumerable<string> LogLines => Guest.KernelLog.Lines.Skip(_firstLine).Select(l => l.Text);

    /// <summary>What the command that was cancelled last was doing then; empty if there was none.</summary>
    public string StateAtCancellation => _transcript.StateAtCancellation;

    /// <summary>The commands since.</summary>
    public string Transcript => _transcript.ToString(_firstCommand);
}
