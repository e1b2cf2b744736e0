using System.Globalization;

namespace Uml.CI;

/// <summary>
/// A ledger in a directory, shared by processes: a file for each entry, locked by its owner as long as that lives. The name says
/// everything: <c>TICKET.waiting.BYTES.PID</c>, which becomes <c>TICKET.running.BYTES.PID</c>. Who waits touches its file again and
/// again, so that one who is stopped, as by a debugger, does not stop all others.
/// </summary>
internal sealed class DirectoryLedger : GuestLedger
{
    private const string Waiting = "waiting", Running = "running";

    private readonly string _directory;

    // The gate alone would keep threads apart as well; this has them wait for each other without polling.
    private readonly Lock _lock = new();

    /// <summary>Opens the ledger, making its directory.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="patience">See <see cref="Patience"/>; null for what is usual.</param>
    /// <exception cref="IOException">The directory cannot be made or written, or another process keeps it locked.</exception>
    /// <exception cref="UnauthorizedAccessException">The directory cannot be made or written.</exception>
    public DirectoryLedger(string directory, TimeSpan? patience = null)
    {
        _directory = directory;
        Patience = patience ?? base.Patience;
        Enter().Dispose();
    }

    public override TimeSpan Patience { get; }

    public override Gate? TryEnter()
    {
        _lock.Enter();
        FileLock? gate = null;
        try
        {
            // Somebody may have emptied the store.
            Directory.CreateDirectory(_directory);
            gate = FileLock.TryTake(Path.Combine(_directory, "gate"));
            return gate is null ? null : new DirectoryGate(this, gate);
        }
        finally
        {
            if (gate is null)
                _lock.Exit();
        }
    }

    // One who waited and died is struck out by the next who enters; until then it does no more harm than a real one.
    public override bool IsContended() => Files().Exists(f => f.Waits && !IsStopped(f));

    public override int PlaceOf(Entry entry)
    {
        Touch(((OwnEntry)entry).Path);
        List<FileEntry> before = Files().FindAll(f => f.Waits && f.Ticket < entry.Ticket && !IsStopped(f));
        // If the first is dead, somebody has to enter and strike it out.
        return before.Count == 0 || !FileLock.IsHeld(before.MinBy(f => f.Ticket)!.Path) ? 0 : before.Count;
    }

    public override void Remove(Entry entry)
    {
        if (entry is not OwnEntry own)
            return;
        Delete(own.Path);
        own.Lock.Dispose();
    }

    private static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without its lock, it is as good as gone.
        }
    }

    private static void Touch(string path)
    {
        try
        {
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // Somebody has emptied the store.
        }
    }

    // Either way: somebody may have set the clock back.
    private bool IsStopped(FileEntry waiting) => (DateTime.UtcNow - File.GetLastWriteTimeUtc(waiting.Path)).Duration() > Patience;

    private List<FileEntry> Files()
    {
        var files = new List<FileEntry>();
        foreach (string path in Paths())
        {
            string[] parts = Path.GetFileName(path).Split('.');
            if (parts.Length == 4 && parts[1] is Waiting or Running
                && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out long ticket)
                && long.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out long memory))
            {
                files.Add(new FileEntry(ticket, parts[1] == Waiting, memory, path));
            }
        }

        return files;
    }

    private string[] Paths()
    {
        try
        {
            return Directory.GetFiles(_directory);
        }
        catch (DirectoryNotFoundException)
        {
            // Somebody has emptied the store.
            return [];
        }
    }

    private sealed class FileEntry(long ticket, bool waits, long memory, string path) : Entry(ticket, waits, memory)
    {
        public string Path => path;
    }

    private sealed class OwnEntry(long ticket, bool waits, long memory, string path, FileLock held) : Entry(ticket, waits, memory)
    {
        public string Path { get; set; } = path;

        public FileLock Lock => held;
    }

    private sealed class DirectoryGate(DirectoryLedger ledger, FileLock gate) : Gate
    {
        public override List<Entry> Read()
        {
            var living = new List<Entry>();
            foreach (FileEntry file in ledger.Files())
            {
                // Its owner holds the lock from before the file can be seen by anyone in the gate until it is removed or the owner dies.
                if (!FileLock.IsHeld(file.Path))
                    Delete(file.Path);
                else if (!file.Waits || !ledger.IsStopped(file))
                    living.Add(file);
            }

            return living;
        }

        public override Entry Add(long memory, bool waits)
        {
            List<FileEntry> files = ledger.Files();
            long ticket = files.Count == 0 ? 1 : files.Max(f => f.Ticket) + 1;
            string path = PathOf(ticket, waits, memory);
            FileLock held = FileLock.TryTake(path) ?? throw new IOException($"The new file {path} is locked.");
            return new OwnEntry(ticket, waits, memory, path, held);
        }

        public override void Grant(Entry entry)
        {
            var own = (OwnEntry)entry;
            string path = PathOf(own.Ticket, waits: false, own.Memory);
            try
            {
                File.Move(own.Path, path);
                own.Path = path;
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                // Somebody has emptied the store; this one runs all the same.
            }

            own.Waits = false;
        }

        public override void Dispose()
        {
            gate.Dispose();
            ledger._lock.Exit();
        }

        private string PathOf(long ticket, bool waits, long memory) =>
            Path.Combine(ledger._directory, string.Create(CultureInfo.InvariantCulture, $"{ticket:D12}.{(waits ? Waiting : Running)}.{memory}.{Environment.ProcessId}"));
    }
}
