{{/* The labels of every control. */}}
{{- define "comptroller-pack.labels" -}}
app.kubernetes.io/name: comptroller-pack
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
Adds an entry to the end of a list: `control`, `name`, `path` as in a JSON pointer to the list, `value`, and
`whose` for the message when there is no such list.
*/}}
{{- define "comptroller-pack.add" -}}
{{- $parent := .control }}
{{- $parts := splitList "/" (trimPrefix "/" .path) }}
{{- range initial $parts }}
{{- $parent = index (ternary $parent dict (kindIs "map" $parent)) . | default dict }}
{{- end }}
{{- $list := index $parent (last $parts) }}
{{- if not (kindIs "slice" $list) }}
{{- fail (printf "%s adds to %s of the control %s, which has no such list" .whose .path .name) }}
{{- end }}
{{- $_ := set $parent (last $parts) (append $list .value) }}
{{- end }}
