using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>A kernel's complaints, held against an allow list.</summary>
/// <param name="Complaints">Those nothing allows: with one of them, a run is bad.</param>
/// <param name="Allowed">Those an entry allows, with the entry.</param>
/// <param name="Expired">Those only an expired entry would allow, with that entry. They are among <paramref name="Complaints"/> too.</param>
/// <param name="Unused">Entries for this kernel that are about no complaint: perhaps what they allowed is fixed.</param>
public sealed record KernelAllowListResult(
    ImmutableArray<KernelComplaint> Complaints,
    ImmutableArray<(KernelComplaint Complaint, KernelAllowListEntry Entry)> Allowed,
    ImmutableArray<(KernelComplaint Complaint, KernelAllowListEntry Entry)> Expired,
    ImmutableArray<KernelAllowListEntry> Unused);
