namespace Uml.CI;

/// <summary>What is left of the store's file system.</summary>
internal static class FreeSpace
{
    /// <exception cref="OciFaultException">There is less than that.</exception>
    public static void Check(string directory, long wanted)
    {
        long free = new DriveInfo(directory).AvailableFreeSpace;
        if (free < wanted)
        {
            throw new OciFaultException(
                $"the file system of {directory} has only {OciFaultException.Size(free)} left, and {OciFaultException.Size(wanted)} are needed now; free some, or set UML_CACHE to another directory",
                KernelProblem.Unavailable);
        }
    }
}
