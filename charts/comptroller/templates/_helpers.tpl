{{/*
Everything is named comptroller, whatever the release is called: a cluster has one operator, and its
admission policies, its Lease, its alerts, the pack and the documentation name these objects.
*/}}

{{/* The labels of every object. */}}
{{- define "comptroller.labels" -}}
app.kubernetes.io/name: comptroller
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The metadata that every object of its own template has, after its name. */}}
{{- define "comptroller.metadata" -}}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "comptroller.labels" . | nindent 2 }}
{{- with .Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The same for what holds evidence: an uninstall keeps it. */}}
{{- define "comptroller.keptMetadata" -}}
{{- $annotations := merge (dict "helm.sh/resource-policy" "keep") (.annotations | default dict) (.root.Values.commonAnnotations | default dict) -}}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "comptroller.labels" .root | nindent 2 }}
annotations:
  {{- toYaml $annotations | nindent 2 }}
{{- end }}

{{/* The reference of the image: a digest wins over a tag. */}}
{{- define "comptroller.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
The objects of a manifest that `config/` ships as well, in this release's namespace and with its labels.
`path` is below files/; `only` is a list of kinds, all kinds if absent; `annotations` are added; `without`
is a list of names that are left out.
*/}}
{{- define "comptroller.manifest" -}}
{{- $root := .root }}
{{- $annotations := merge (.annotations | default dict) ($root.Values.commonAnnotations | default dict) }}
{{- $labels := include "comptroller.labels" $root | fromYaml }}
{{- $text := $root.Files.Get .path | replace "namespace: comptroller-system" (printf "namespace: %s" $root.Release.Namespace) }}
{{- range $document := regexSplit "(?m)^---$" $text -1 }}
{{- $object := fromYaml $document }}
{{- if and $object (not (has $object.metadata.name ($.without | default list))) }}
{{- $metadata := $object.metadata }}
{{- $_ := set $metadata "labels" (merge dict $labels ($metadata.labels | default dict)) }}
{{- with merge dict $annotations ($metadata.annotations | default dict) }}
{{- $_ := set $metadata "annotations" . }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}

{{/* Whether the log is in a bucket, on a volume, or nowhere. */}}
{{- define "comptroller.evidence" -}}
{{- if .Values.evidence.bucket.url -}}
bucket
{{- else if .Values.evidence.persistence.enabled -}}
volume
{{- end -}}
{{- end }}

{{/* The claim of the log. */}}
{{- define "comptroller.evidenceClaim" -}}
{{ .Values.evidence.persistence.existingClaim | default "comptroller-evidence" }}
{{- end }}

{{/* The claim of the key; empty if the key is in a Secret, or there is no log. */}}
{{- define "comptroller.keyClaim" -}}
{{- if and (eq (include "comptroller.evidence" .) "volume") (not .Values.evidence.key.existingSecret) -}}
{{ .Values.evidence.key.persistence.existingClaim | default "comptroller-evidence-key" }}
{{- end -}}
{{- end }}

{{/* The Secret with the serving certificate; empty if the operator makes its own in memory. */}}
{{- define "comptroller.tlsSecret" -}}
{{- if .Values.tls.existingSecret -}}
{{ .Values.tls.existingSecret }}
{{- else if .Values.tls.certManager.enabled -}}
comptroller-tls
{{- end -}}
{{- end }}

{{/* Whether several nodes can have the log open at once. */}}
{{- define "comptroller.shared" -}}
{{- $evidence := include "comptroller.evidence" . -}}
{{- if or (ne $evidence "volume") (has "ReadWriteMany" .Values.evidence.persistence.accessModes) -}}
true
{{- end -}}
{{- end }}

{{/* Refuses combinations of values that each are right, and together can't work. */}}
{{- define "comptroller.validate" -}}
{{- $evidence := .Values.evidence }}
{{- if and $evidence.bucket.url (not $evidence.key.existingSecret) }}
{{- fail "evidence.bucket.url needs evidence.key.existingSecret: a log in a bucket is signed with a key from a Secret. docs/operations.md says how to make one." }}
{{- end }}
{{- if and (gt (int .Values.replicaCount) 1) (not (include "comptroller.shared" .)) }}
{{- fail (printf "replicaCount is %d, but only one node can mount the evidence log: set evidence.bucket.url, or evidence.persistence.accessModes to [ReadWriteMany] with a storage class that supports it." (int .Values.replicaCount)) }}
{{- end }}
{{- if and .Values.tls.existingSecret .Values.tls.certManager.enabled }}
{{- fail "tls.existingSecret and tls.certManager.enabled are both set: choose where the certificate comes from." }}
{{- end }}
{{- if and $evidence.witnessPolicy (not (include "comptroller.evidence" .)) }}
{{- fail "evidence.witnessPolicy is set, but there is no log that witnesses could cosign: set evidence.bucket.url or evidence.persistence.enabled." }}
{{- end }}
{{- if and .Values.notifications.webhook.url (not (include "comptroller.evidence" .)) }}
{{- fail "notifications.webhook.url needs a log, whose entries it is told of: set evidence.bucket.url or evidence.persistence.enabled." }}
{{- end }}
{{- if and .Values.auditStream.enabled (not (include "comptroller.evidence" .)) }}
{{- fail "auditStream.enabled needs a log, in which it is recorded who used what: set evidence.bucket.url or evidence.persistence.enabled." }}
{{- end }}
{{- if and .Values.auditStream.enabled .Values.networkPolicy.enabled (not .Values.auditStream.apiServerCIDRs) }}
{{- fail "auditStream.enabled needs auditStream.apiServerCIDRs: without the addresses of the API servers the NetworkPolicy would keep their events out. `kubectl get endpointslices kubernetes` shows them." }}
{{- end }}
{{- range $name, $receiver := .Values.notifications }}
{{- if and (or $receiver.tokenKey $receiver.signingKey) (not (and $receiver.existingSecret $receiver.url)) }}
{{- fail (printf "notifications.%s names a key of a Secret: set its url and existingSecret as well." $name) }}
{{- end }}
{{- end }}
{{- end }}
